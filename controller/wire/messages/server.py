"""The scripts a server offers, its worker pool, and reports of what ran.

Sent by the carrier, answered by the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from controller.wire.record import record

ResultType = Literal["text", "metric", "table", "file"]
Why = Literal["unknown", "malformed", "direction"]


@record
class Script:
    """A script as an agent offers it; `problem` says why it can't be run."""

    name: str
    sha256: str = ""
    size: int = 0
    title: str = ""
    result: ResultType = "text"
    file: str = ""
    problem: str = ""


@record
class ListScripts:
    """List the scripts after the name `after`; answered by `script-page`."""

    after: str = ""


@record
class ScriptPage:
    """Some scripts, in order of names."""

    scripts: tuple[Script, ...] = ()
    more: bool = False


@record
class Inspect:
    """Show one script; answered by `script-text`."""

    name: str


@record
class ScriptText:
    """One script with its headers and at most 1 MiB of its text."""

    script: Script
    headers: Mapping[str, str] = field(default_factory=dict)
    text: bytes = b""


@record
class GetPool:
    """Show the worker pool; answered by `pool`."""


@record
class SetPool:
    """Change the number of workers; answered by `pool`."""

    workers: int


@record
class Pool:
    """Jobs that may run at once, that run, and that wait."""

    workers: int
    running: int = 0
    waiting: int = 0


@record
class GetReport:
    """Show the report of a script's attempt; answered by `report`."""

    attempt: str


@record
class Report:
    """What a script's run came to; `artifact` names the file of a `file` result. Times are UNIX times."""

    attempt: str
    job: str
    script: Script
    exit_code: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    started_at: float = 0.0
    ended_at: float = 0.0
    artifact: str = ""
    result: bytes = b""


@record
class Done:
    """What was asked for is done."""


@record
class Failed:
    """What was asked for can't be done: a code in kebab case, what went wrong, and the remedy."""

    code: str
    message: str = ""
    hint: str = ""


@record
class Unsupported:
    """A message this side does not know (`unknown`), can't read (`malformed`), or does not take (`direction`)."""

    of: str
    why: Why = "unknown"
    message: str = ""
