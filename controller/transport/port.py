"""The carrier port: what every way to reach a server promises.

A `Dialer` opens `Session`s. The promises, on ssh, agents and local alike (one contract suite runs on each):

- an attempt id starts at most once on its server, whatever is lost, repeated or replayed; a second `start` of an id
  returns what is known of it;
- work survives the controller, the connection and the session;
- output is the exact bytes in exact order (stdout and stderr are one stream), numbered by offset and resumable from any
  offset, drained to a spool on the server whatever the controller does; past the cap the middle is dropped and shows as
  a gap, while length and SHA-256 of everything are still told;
- `stop` reaches every process of the attempt: TERM, grace, KILL;
- time-outs are enforced on the server;
- environment and secrets travel inside the session, never in an argument list;
- a target's marker is compared and its lock taken on the server before the first step.

What only an agent can do is in the port too (`Offer` names it); the other carriers refuse it with `NeedsAgentError`.

Failure to reach a server raises `TransportError` with its cause; a session that breaks raises `SessionLostError`; a
command that fails is an outcome. Cancelling a waiting call stops the waiting, never the work.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.model.ids import AttemptId, Digest, JobId
from controller.model.inventory import Server
from controller.model.observation import Holder, HostSeen
from controller.model.task import Limits, Result


class Phase(StrEnum):
    """What the server knows of an attempt."""

    NONE = "none"  # never claimed here
    RUNNING = "running"
    ENDED = "ended"  # an exit file is there
    INTERRUPTED = "interrupted"  # claimed under another boot id, or the supervisor is gone without an exit file


class Offer(StrEnum):
    """What a carrier can do on a server beyond running work to its end."""

    PAUSE = "pause"
    INPUT = "input"  # more standard input while an attempt runs
    LIMITS = "limits"
    WORKSPACE = "workspace"  # a folder of each job that can be read and written from afar
    SCRIPTS = "scripts"  # scripts that the server itself offers
    ONLY_SCRIPTS = "only-scripts"  # and nothing else
    POOL = "pool"  # a number of workers that can be changed


class Ending(StrEnum):
    """How an ended attempt ended."""

    EXIT = "exit"  # by itself; `exit_code` says how (128+n for signal n)
    TIMEOUT = "timeout"
    STOP = "stop"
    START = "start"  # the command could not be started (`message` says why)
    UNSTARTED = "unstarted"  # accepted, and proven never to have started; may be sent again under another id


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """One attempt, ready to be sent.

    `text` is a shell text or a whole script; `shell` the interpreter that reads it (None: its own first line, or sh).
    `env` is everything the process gets beside PATH, HOME, USER, LOGNAME, SHELL and LANG; values may be secret. The
    runner adds CTL_OUTPUT (a file of this attempt) and CTL_ARTIFACTS (a folder of the job). `user` None is the
    session's user. `workdir` None is the user's home. Times are seconds, sizes bytes.

    `script` names a script that the server itself offers; `shell` is then empty, `arguments` are its own, and `script_digest` is
    the SHA-256 it must have, where that is known. `text` is then empty, or the script as the controller has it: its agent may
    fetch that if it offers none of this name. `interactive` keeps standard input open for `feed`.
    `owner` is whose work it is, where it is a person's.
    """

    id: AttemptId
    job: JobId
    text: bytes
    shell: tuple[str, ...] | None = None
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    timeout: float = 86400.0
    grace: float = 10.0
    head: int = 1 << 20
    tail: int = 9 << 20
    limits: Limits = field(default_factory=Limits)
    owner: str = ""
    interactive: bool = False
    script: str | None = None
    script_digest: Digest | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStatus:
    """What the server knows of an attempt at one moment.

    `fresh` is true only in the answer of the `start` that claimed it. `length` counts every byte of output so far;
    `sha256` is set at the end (None where the server cannot compute it and bytes were dropped). `outputs` are the bytes
    of the CTL_OUTPUT file (at most 64 KiB), at the end. `incomplete` names processes a stop could not reach.

    A `waiting` attempt is accepted and has not begun, because the server runs as many as it may; its phase is `running`.
    `out_of_memory`: the kernel ended processes of it for want of memory. `means` says what held its limits, its stop and
    its pause ("cgroup", "rlimit", …).
    """

    id: AttemptId
    phase: Phase
    fresh: bool = False
    ending: Ending | None = None
    exit_code: int | None = None
    message: str = ""
    length: int = 0
    sha256: Digest | None = None
    outputs: bytes = b""
    incomplete: str = ""
    waiting: bool = False
    paused: bool = False
    out_of_memory: bool = False
    means: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Output from `offset` on; `gap` bytes before `offset` were dropped at the cap."""

    offset: int
    data: bytes
    gap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """A short read-only command: `check:`, `uptime`. Not claimed, not kept; output bounded to `limit` bytes."""

    text: bytes
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    shell: tuple[str, ...] | None = None
    timeout: float = 30.0
    limit: int = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """How a probe ended; `exit_code` 124 with `timed_out` when its time ran out."""

    exit_code: int
    output: bytes
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetClaim:
    """The answer to `claim_target`. Exactly one of: taken, `stale` (another marker is there), `holder` (held by another).

    `took_over` is the holder whose lock was of an earlier boot, or whose attempts had all ended.
    """

    taken: bool
    stale: bytes | None = None
    holder: Holder | None = None
    took_over: Holder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a session learnt when it opened."""

    boot_id: str
    login: str
    root: bool
    base: str  # the state folder: /var/lib/ctl for root, else ~/.local/state/ctl
    tools: frozenset[str] = frozenset()  # of sha256sum, sync, setsid, setpriv, su, cgroup, limit-…
    offers: frozenset[Offer] = frozenset()
    agent: str = ""  # the version of the agent, where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerScript:
    """A script as its server offers it; `problem` says why it cannot be run."""

    name: str
    sha256: str = ""
    size: int = 0
    title: str = ""
    result: Result = field(default_factory=Result)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSource:
    """A script with its headers and at most 1 MiB of its text."""

    script: ServerScript
    headers: Mapping[str, str]
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptReport:
    """What the run of a script came to, in the server's own words; `artifact` names the file of a `file` result."""

    attempt: AttemptId
    job: JobId
    script: ServerScript
    exit_code: int | None
    message: str
    headers: Mapping[str, str]
    started_at: datetime | None
    ended_at: datetime | None
    artifact: str = ""
    result: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Jobs that may run at once on a server, that run, and that wait."""

    workers: int
    running: int
    waiting: int


class Attempts(Protocol):
    """Starting work, following it and stopping it."""

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        """Claim the id and start the work, or say what is known of the id."""
        ...

    async def status(self, attempt: AttemptId) -> AttemptStatus:
        """Say what is known of an attempt now."""
        ...

    async def wait(self, attempt: AttemptId) -> AttemptStatus:
        """Wait until an attempt has ended (or was never claimed)."""
        ...

    def output(
        self, attempt: AttemptId, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        """Give output from `offset` on; with `follow` until the attempt has ended and all is given."""
        ...

    async def stop(self, attempt: AttemptId, *, grace: float = 10.0) -> AttemptStatus:
        """TERM every process of the attempt, KILL after `grace` seconds; return when it has ended."""
        ...

    async def pause(self, attempt: AttemptId, *, seconds: float = 0.0) -> AttemptStatus:
        """Hold every process of a running attempt, for `seconds` or (0) until `resume`; its time-out waits too.

        Raises:
            NeedsAgentError: this carrier cannot.
            RefusedError: it does not run.
        """
        ...

    async def resume(self, attempt: AttemptId) -> AttemptStatus:
        """Let a held attempt go on; raises as `pause` does."""
        ...

    async def feed(self, attempt: AttemptId, data: bytes, *, close: bool = False) -> None:
        """Give an interactive attempt more standard input, each byte once and in order; `close` ends it.

        Raises:
            NeedsAgentError: this carrier cannot.
            RefusedError: it does not run, or takes no input.
        """
        ...

    async def discard(self, attempts: tuple[AttemptId, ...], *, job: JobId | None = None) -> None:
        """Delete the spools of ended attempts (and the job's folder); their claims remain."""
        ...


class Targets(Protocol):
    """Markers and locks of targets; `marker` bytes are opaque here (JSON, at most 64 KiB)."""

    async def markers(self, project: str) -> Mapping[str, bytes]:
        """Read every marker of the project, by target."""
        ...

    async def locks(self, project: str) -> Mapping[str, Holder]:
        """Say who holds which target now (locks that may be taken over left out)."""
        ...

    async def claim_target(
        self, project: str, target: str, *, holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        """Take the lock, compare the SHA-256 of the marker with `expect` (None: no marker), write `marker`.

        All or nothing. A lock held by the same run is taken again, and then its marker is not compared.
        """
        ...

    async def release_target(
        self, project: str, target: str, *, run: str, marker: bytes | None
    ) -> None:
        """Write `marker` (None: delete it) when this run holds the lock, and give the lock back."""
        ...

    async def forget_target(self, project: str, target: str, *, expect: Digest) -> bool:
        """Delete a marker that is unlocked and still as expected; say whether it is gone."""
        ...


class Files(Protocol):
    """Reading what work left on the server."""

    async def probe(self, spec: ProbeSpec) -> Probed:
        """Run a short read-only command."""
        ...

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the files below the job's CTL_ARTIFACTS folder, path to size, at most 1,000."""
        ...

    async def size(self, path: str) -> int | None:
        """Say the size of a regular file, None when there is none; "artifacts:JOB/PATH" and "workspace:JOB/PATH" are a job's."""
        ...

    def fetch(self, path: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Read a regular file (or artifact) from `offset` to its present end."""
        ...


class Workspaces(Protocol):
    """The folders in which the jobs of an agent work; every call raises `NeedsAgentError` on other carriers.

    Paths are relative, and never lead out of the folder.
    """

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """List the files of a job's workspace, path to size, at most 10,000.

        Raises:
            NotFoundError: there is no such job there.
        """
        ...

    async def put(
        self, job: JobId, path: str, data: AsyncIterator[bytes], *, executable: bool = False
    ) -> None:
        """Write a file of a job's workspace, whole or not at all."""
        ...

    async def remove(self, job: JobId, path: str) -> None:
        """Delete a file of a job's workspace."""
        ...


class Offers(Protocol):
    """What an agent offers by itself; every call but `report` raises `NeedsAgentError` on other carriers."""

    async def scripts(self) -> tuple[ServerScript, ...]:
        """List the scripts of the server, in order of name."""
        ...

    async def inspect(self, script: str) -> ScriptSource:
        """Show one script.

        Raises:
            NotFoundError: it is not offered.
        """
        ...

    async def report(self, attempt: AttemptId) -> ScriptReport | None:
        """Give the report of a script's attempt that has ended; None where there is none."""
        ...

    async def pool(self) -> Pool:
        """Show the worker pool."""
        ...

    async def set_pool(self, workers: int) -> Pool:
        """Change how many jobs run at once."""
        ...


class Session(Attempts, Targets, Files, Workspaces, Offers, Protocol):
    """One open use of a way to a server; safe for many tasks at once."""

    @property
    def facts(self) -> Facts:
        """What was learnt at opening."""
        ...

    @property
    def host(self) -> HostSeen | None:
        """How the machine did when its agent last told; None where none tells."""
        ...

    async def close(self) -> None:
        """Give the session back; work goes on."""
        ...


class Dialer(Protocol):
    """Opens sessions; keeps at most one connection to each server and shares it, but for fresh ones."""

    async def open(self, server: Server) -> Session:
        """Reach a server.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        ...

    async def fresh(self, server: Server) -> Session:
        """Reach a server over a connection of its own, made now and closed with the session.

        This proves that the server can still be reached, which a connection from before does not.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        ...

    async def close(self) -> None:
        """Close every connection; work goes on."""
        ...
