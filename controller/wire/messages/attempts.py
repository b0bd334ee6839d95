"""Starting work on a server, following it and stopping it.

Sent by the carrier, answered by the agent; what each asks for is promised by the carrier port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from controller.wire.payloads import Environment
from controller.wire.record import record

Phase = Literal["none", "waiting", "running", "ended", "interrupted"]
Ending = Literal["exit", "timeout", "stop", "start", "unstarted"]
Reach = Literal["", "cgroup", "group"]


@record
class Bounds:
    """What an attempt may use: processors (1.5 is one and a half), bytes, processes, bytes a second; null is no limit."""

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    io: int | None = None


@record
class Start:
    """Claim an attempt id and start its work; answered by `attempt`.

    `digest` is the attempt digest that the agent checks, with `salt` as the key of its variables; `not_after` the UNIX time after which it must not start (0:
    none). Bytes too large for one message are uploaded before: `text_upload` and `stdin_upload` are then the numbers of
    these streams. `interactive` keeps stdin open for streams of `open-input`. `plugin` is the name of a `uses:` step, `text`
    then its input.
    """

    id: str
    job: str
    owner: str = ""
    shell: tuple[str, ...] | None = None
    workdir: str | None = None
    user: str | None = None
    timeout: float = 86400.0
    grace: float = 10.0
    head: int = 1 << 20
    tail: int = 9 << 20
    limits: Bounds = field(default_factory=Bounds)
    digest: str = ""
    not_after: float = 0.0
    interactive: bool = False
    plugin: str = ""
    text_upload: int = 0
    stdin_upload: int = 0
    env: Environment = field(default_factory=dict)
    text: bytes = b""
    stdin: bytes = b""
    salt: bytes = b""


@record
class RunScript:
    """Claim an attempt id and run a script by name; answered by `attempt`.

    `digest`, where given, is the SHA-256 that the script must have. Where the agent offers none of that name, it asks whoever
    sent this for it by `open-script`. `attempt_digest`, where given, is that of everything asked for here, with `salt` as the
    key of the variables: the SHA-256 of the script stands for its bytes, in hex.
    """

    id: str
    job: str
    name: str
    owner: str = ""
    digest: str = ""
    arguments: tuple[str, ...] = ()
    workdir: str | None = None
    user: str | None = None
    timeout: float = 86400.0
    grace: float = 10.0
    head: int = 1 << 20
    tail: int = 9 << 20
    limits: Bounds = field(default_factory=Bounds)
    not_after: float = 0.0
    interactive: bool = False
    stdin_upload: int = 0
    attempt_digest: str = ""
    env: Environment = field(default_factory=dict)
    stdin: bytes = b""
    salt: bytes = b""


@record
class GetAttempt:
    """Say what is known of an attempt; answered by `attempt`."""

    attempt: str


@record
class WaitAttempt:
    """Answer with `attempt` when it has ended, or was never claimed."""

    attempt: str


@record
class StopAttempt:
    """TERM every process of an attempt, KILL after `grace` seconds; answered by `attempt` when it has ended."""

    attempt: str
    grace: float = 10.0


@record
class PauseAttempt:
    """Freeze an attempt, for `seconds` (0: until resumed); answered by `attempt`."""

    attempt: str
    seconds: float = 0.0


@record
class ResumeAttempt:
    """Let a paused attempt go on; answered by `attempt`."""

    attempt: str


@record
class Discard:
    """Delete the spools of ended attempts, and the job's folder; answered by `done`."""

    attempts: tuple[str, ...]
    job: str | None = None


@record
class ListAttempts:
    """List the attempts in the agent's ledger after the id `after`, in order of ids; answered by `attempt-page`."""

    job: str = ""
    after: str = ""


@record
class AttemptBrief:
    """One line about an attempt."""

    id: str
    job: str
    phase: Phase
    owner: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0


@record
class AttemptPage:
    """Some attempts; `more` says that others follow."""

    attempts: tuple[AttemptBrief, ...] = ()
    more: bool = False


@record
class Attempt:
    """What the agent knows of an attempt at one moment.

    `fresh` only in the answer of the `start` that claimed it. `length` counts every byte of output so far, `sha256` is of
    all of them, at the end. `reach` says how processes are found to be stopped, `incomplete` which were not, `means`
    what holds which limit. An ending `unstarted` proves that nothing of it has run: it may be sent again under another
    id. Times are UNIX times, 0 where it did not happen.
    """

    id: str
    phase: Phase
    fresh: bool = False
    paused: bool = False
    ending: Ending | None = None
    exit_code: int | None = None
    message: str = ""
    length: int = 0
    sha256: str | None = None
    incomplete: str = ""
    reach: Reach = ""
    out_of_memory: bool = False
    started_at: float = 0.0
    ended_at: float = 0.0
    means: Mapping[str, str] = field(default_factory=dict)
    outputs: bytes = b""
