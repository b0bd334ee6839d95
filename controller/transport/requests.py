"""What a request to start or to probe says: checked, bounded, and quoted for the shell that reads it.

Called by the parts of the session; it calls `protocol` and `quoting`. No I/O.
"""

from collections.abc import Mapping
from typing import Final

from controller.errors import RefusedError
from controller.transport.port import AttemptSpec
from controller.transport.protocol import ATTEMPT, NAME, USER, VARIABLE, check
from controller.transport.quoting import assign, quote

SEGMENT: Final = 1 << 20
SMALLEST_SEGMENT: Final = 4096
FIRST_SPAN: Final = 1.0
VALUE_LIMIT: Final = 1 << 17
"""Bytes of one "NAME=value" and its end: Linux starts no process with a longer one."""
ENVIRONMENT_LIMIT: Final = 1 << 20


def start_request(spec: AttemptSpec, locks: tuple[str, ...]) -> bytes:
    """Put together the assignments of a start; whatever goes near the shell is checked here."""
    segment = min(SEGMENT, max(SMALLEST_SEGMENT, spec.tail // 8 // 4096 * 4096))
    return assign(
        id=check(ATTEMPT, spec.id, "an attempt"),
        job=check(NAME, spec.job, "a job"),
        shell=shell_words(spec.shell, spec.text),
        envs=exports(spec.env),
        workdir=spec.workdir or "",
        user="" if spec.user is None else check(USER, spec.user, "a user"),
        spans=spans(spec.timeout),
        grace_tenths=max(1, round(spec.grace * 10)),
        segment=segment,
        head=spec.head,
        tail=spec.tail,
        locks=" ".join(locks),
    )


def bounded(noun: str, size: int, limit: int) -> None:
    """Refuse what no server could take.

    Raises:
        RefusedError: it is larger than the limit, in bytes.
    """
    if size > limit:
        raise RefusedError(f"cannot send {noun} of {size} bytes, the limit is {limit}")


def shell_words(shell: tuple[str, ...] | None, text: bytes) -> bytes:
    """Give the interpreter of a text as words of sh: the declared one, that of its first line, or sh."""
    if shell:
        return b" ".join(quote(word) for word in shell)
    first = text.split(b"\n", 1)[0]
    if not first.startswith(b"#!"):
        return b"sh"
    words = first[2:].strip().split(None, 1)  # as the kernel does: one argument at most
    return b" ".join(quote(word) for word in words) or b"sh"


def exports(env: Mapping[str, str]) -> bytes:
    """Give the environment as a text for `eval`.

    Raises:
        RefusedError: it is larger than a process can be given.
    """
    total = 0
    for name, value in env.items():
        size = len(name) + len(value.encode("utf-8", "surrogateescape")) + 2
        bounded(f"the variable {name[:80]}", size, VALUE_LIMIT)
        total += size
    bounded("an environment", total, ENVIRONMENT_LIMIT)
    return b";".join(
        b"export " + check(VARIABLE, name, "a variable").encode() + b"=" + quote(value)
        for name, value in env.items()
    )


def seconds(value: float) -> str:
    """Give a time for `sleep`: whole seconds where fractions make no difference."""
    return f"{value:.3f}" if value < 10 else str(round(value))  # noqa: PLR2004 - seconds


def spans(timeout: float) -> str:
    """Give a time-out in the parts that the watcher sleeps: the first second apart."""
    if timeout <= FIRST_SPAN:
        return seconds(timeout)
    return f"{seconds(FIRST_SPAN)} {seconds(timeout - FIRST_SPAN)}"
