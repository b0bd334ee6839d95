"""What is asked of this machine: one attempt, its command, its limits.

The agent makes it from a message; `executor` checks and carries it out; `digest` sums it up. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.execution.errors import RefusedError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
OURS = ("CTL_OUTPUT", "CTL_ARTIFACTS", "CTL_WORKSPACE", "CTL_MARK")
MAX_TEXT = 4 << 20
MAX_ENVIRONMENT = 1 << 20
MAX_ENTRY = 128 << 10  # the kernel takes no longer argument or variable
MAX_SPOOL = 1 << 30
MAX_OWNER = 256
MAX_MODE = 0o777
MAX_SECONDS = 366 * 86400.0


@dataclass(frozen=True)
class Limits:
    """What the processes of an attempt may use together; None is no limit.

    Attributes:
        cpu: processors, 0.5 is half of one.
        memory: bytes, swap included.
        pids: processes and threads.
        io: bytes a second, reading and writing each, of the disk the workspaces lie on.
    """

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
    io: int | None = None


@dataclass(frozen=True)
class Spec:
    """One attempt, ready to run; times are seconds, sizes bytes.

    Attributes:
        id: names the attempt for ever; it starts at most once.
        job: attempts of one job share a workspace.
        owner: whose attempt it is; recorded with it and shown, nothing more.
        text: a shell text or whole script; it is never on disk and nobody can change it once it is accepted.
        argv: what reads the text (the text's place is appended), or without a text the command itself. Empty with a
            text: its own first line, or sh.
        arguments: come last, behind the text's place.
        stdin: what the command reads; `stream` keeps its input open for `Executor.feed` afterwards.
        stdin_path: a file that is read instead, where it is too large for memory; whoever made it deletes it once the
            attempt has started. `stdin_sha256` is of its content.
        env: variables beside PATH, HOME, USER, LOGNAME, SHELL and LANG; values may be secret.
        files: laid into the workspace before the start, path to content.
        workdir: None is the user's home; a relative one starts there.
        user: None is the user of the agent.
        umask: of the command, e.g. 0o022.
        timeout: then it is stopped: TERM, `grace` seconds, KILL.
        head: so much of the beginning of the output is kept, and `tail` of its end.
        salt: keys the digests of variables, so that they cannot be guessed.
        digest: what was planned; None takes it as it is.
    """

    id: str
    job: str
    owner: str = ""
    text: bytes = b""
    argv: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    stdin: bytes = b""
    stdin_path: str = ""
    stdin_sha256: str = ""
    stream: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    umask: int = 0o022
    timeout: float = 86400.0
    grace: float = 10.0
    head: int = 1 << 20
    tail: int = 9 << 20
    limits: Limits = field(default_factory=Limits)
    salt: bytes = b""
    digest: str | None = None


def check(spec: Spec) -> None:
    """Refuse what could never be started as asked.

    Raises:
        RefusedError: a name, a size or a number is out of its bounds.
    """
    for name in (spec.id, spec.job):
        check_name(name)
    if not spec.argv and not spec.text:
        raise RefusedError(f"cannot start {spec.id}: it has neither a command nor a text")
    if len(spec.text) > MAX_TEXT or len(spec.stdin) > MAX_TEXT:
        raise RefusedError(f"cannot take a text or input of more than {MAX_TEXT} bytes")
    if len(spec.owner) > MAX_OWNER or not spec.owner.isprintable():
        raise RefusedError(f"cannot take {spec.owner[:140]!r} as an owner")
    if bool(spec.stdin_path) != bool(spec.stdin_sha256) or (spec.stdin and spec.stdin_path):
        raise RefusedError(
            f"cannot start {spec.id}: its input is either bytes or a file with a digest"
        )
    if (spec.stdin or spec.stdin_path) and spec.stream:
        raise RefusedError(
            f"cannot start {spec.id}: a stream gets its input by `feed`, not beforehand"
        )
    _check_words(spec)
    _check_numbers(spec)
    _check_limits(spec.limits)


def check_name(name: str) -> None:
    """Refuse an id that is no plain file name.

    Raises:
        RefusedError: it is not.
    """
    if not NAME.fullmatch(name):
        raise RefusedError(f"cannot use {name[:140]!r} as an id")


def _check_words(spec: Spec) -> None:
    for name in spec.env:
        if not VARIABLE.fullmatch(name) or name in OURS:
            raise RefusedError(f"cannot set the variable {name[:140]!r}")
    entries = [
        *spec.argv,
        *spec.arguments,
        *(f"{name}={value}" for name, value in spec.env.items()),
    ]
    sizes = [len(entry.encode("utf-8", "surrogateescape")) for entry in entries]
    if sum(sizes) > MAX_ENVIRONMENT or max(sizes, default=0) >= MAX_ENTRY:
        raise RefusedError(
            f"cannot pass more than {MAX_ENVIRONMENT} bytes of arguments and variables, or one of {MAX_ENTRY}",
            hint="pass it as input or as a file",
        )
    if any("\0" in word for word in (*entries, spec.workdir or "", spec.user or "")):
        raise RefusedError(f"cannot start {spec.id}: NUL in an argument, variable, folder or user")


def _check_numbers(spec: Spec) -> None:
    for name, seconds in (("timeout", spec.timeout), ("grace", spec.grace)):
        if not 0 <= seconds <= MAX_SECONDS:
            raise RefusedError(f"cannot wait {seconds} s: {name} is 0 to {MAX_SECONDS:.0f}")
    for name, size in (("head", spec.head), ("tail", spec.tail)):
        if not 0 <= size <= MAX_SPOOL:
            raise RefusedError(f"cannot keep {size} bytes: {name} is 0 to {MAX_SPOOL}")
    if not 0 <= spec.umask <= MAX_MODE:
        raise RefusedError(f"cannot use {spec.umask:o} as umask")


def _check_limits(limits: Limits) -> None:
    for name, value, least in (
        ("cpu", limits.cpu, 0.01),
        ("memory", limits.memory, 1 << 20),
        ("pids", limits.pids, 1),
        ("io", limits.io, 1 << 12),
    ):
        if value is not None and not least <= value <= 1 << 50:
            raise RefusedError(f"cannot limit {name} to {value}: at least {least}")
