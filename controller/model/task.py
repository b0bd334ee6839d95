"""Declared work: tasks, their steps, parameters and results. Times are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.diagnostic import NOWHERE, Place
from controller.model.files import Checkout, FileSpec


class ResultType(StrEnum):
    """What the output of a task or step means."""

    TEXT = "text"
    METRIC = "metric"  # the last line that is not empty is one value
    TABLE = "table"  # lines are rows
    FILE = "file"  # `path` names a file to fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What comes back; `path` is set for `file` only.

    With `artifact` it is one of the job's artifacts, under a name that the report of its script tells.
    """

    type: ResultType = ResultType.TEXT
    path: str | None = None
    artifact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the processes of one attempt may use together; None is no limit.

    `cpu` is processors (0.5 is half of one), `memory` bytes, `pids` processes and threads, `io` bytes a second, reading
    and writing each.
    """

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    io: int | None = None

    def __bool__(self) -> bool:
        """Say whether anything is limited."""
        return any(each is not None for each in (self.cpu, self.memory, self.pids, self.io))


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Further tries of a step that failed or timed out: the n-th waits delay * backoff**(n-1) seconds."""

    limit: int = 0
    delay: float = 0.0
    backoff: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A typed parameter; `schema` is the JSON Schema of its value without our own keys."""

    name: str
    schema: Mapping[str, object] = field(default_factory=dict)
    default: object = None
    required: bool = False
    secret: bool = False
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a task's DAG.

    Exactly one of `run` (template text for `shell`), `script` (a path from the root of the config repository) and `uses`
    (a plugin, or "script/NAME" for a script that the server's agent offers) is set. `plugin` is where the bytes of a
    plugin are among the scripts of the declaration. `shell` is the interpreter's argument list as text, such as
    "bash -eu"; None means `sh`, or for a script or plugin its own first line. `needs` is resolved: names of the steps
    that must end first.
    """

    name: str
    run: str | None = None
    script: str | None = None
    uses: str | None = None
    plugin: str | None = None
    shell: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    timeout: float | None = None
    retry: Retry = field(default_factory=Retry)
    when: str | None = None
    needs: tuple[str, ...] = ()
    continue_on_error: bool = False
    idempotent: bool = False
    user: str | None = None
    result: Result | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each key of the step is written, by key; "" is the step itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Declared work with its steps in declared order; `secrets` maps environment name to secret name.

    `revert` is template text for `sh` that undoes the change when `rollout.confirm` is not answered. `was` is an
    earlier name. `limits` hold for each attempt of a step.
    """

    name: str
    title: str | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    timeout: float = 86400.0
    limits: Limits = field(default_factory=Limits)
    check: str | None = None
    checkout: Checkout | None = None
    files: tuple[FileSpec, ...] = ()
    steps: tuple[Step, ...] = ()
    revert: str | None = None
    result: Result = field(default_factory=Result)
    was: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each key is written: "", "env.NAME", "params.NAME", "secrets.NAME", "check", ..."""
