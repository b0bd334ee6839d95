"""What a request to start or to probe says: checked, bounded, and quoted for the shell that reads it.

Called by the parts of the session; it calls `protocol` and `quoting`. No I/O.
"""

from collections.abc import Mapping
from typing import Final

from controller.errors import NeedsAgentError, RefusedError
from controller.model.task import Limits
from controller.transport.port import AttemptSpec
from controller.transport.protocol import ATTEMPT, NAME, USER, VARIABLE, check
from controller.transport.quoting import assign, quote

SEGMENT: Final = 1 << 20
SMALLEST_SEGMENT: Final = 4096
FIRST_SPAN: Final = 1.0
VALUE_LIMIT: Final = 1 << 17
"""Bytes of one "NAME=value" and its end: Linux starts no process with a longer one."""
ENVIRONMENT_LIMIT: Final = 1 << 20
CPU_PERIOD: Final = 100_000
"""Microseconds in which a share of the processors is counted; the runner knows the number, too."""
LONGEST_PAUSE: Final = 366 * 86400.0


def start_request(spec: AttemptSpec, locks: tuple[str, ...]) -> bytes:
    """Put together the assignments of a start; whatever goes near the shell is checked here.

    Raises:
        NeedsAgentError: it is a script that only an agent has, or is to be fed while it runs.
        RefusedError: it is nothing that may be sent.
    """
    if spec.script is not None or spec.interactive:
        what = "takes input while it runs" if spec.script is None else f"runs {spec.script[:80]}"
        raise NeedsAgentError(
            f"cannot start {spec.id}: it {what}, and the server is reached without an agent",
            hint="ctl agent install --on SERVER, then declare agent: {}",
        )
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
        limits=limit_words(spec.limits),
        locks=" ".join(locks),
    )


def limit_words(limits: Limits) -> str:
    """Give limits as words: processors as microseconds of each tenth of a second."""
    words = {
        "cpu": None if limits.cpu is None else max(1000, round(limits.cpu * CPU_PERIOD)),
        "memory": limits.memory,
        "pids": limits.pids,
        "io": limits.io,
    }
    return " ".join(f"{name}={value}" for name, value in words.items() if value is not None)


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


def pause_seconds(value: float) -> str:
    """Give the time of a pause for `sleep`, 0 for one without an end.

    Raises:
        RefusedError: it is no time, or longer than anybody waits.
    """
    if not 0 <= value <= LONGEST_PAUSE:
        raise RefusedError(f"cannot pause for {value:g} s: at most {LONGEST_PAUSE:.0f}")
    return seconds(value) if value else "0"


def spans(timeout: float) -> str:
    """Give a time-out in the parts that the watcher sleeps: the first second apart."""
    if timeout <= FIRST_SPAN:
        return seconds(timeout)
    return f"{seconds(FIRST_SPAN)} {seconds(timeout - FIRST_SPAN)}"
