"""A daemon to be killed: starts the attempt it is told of, says what it knows, and waits for its death.

Arguments: folder, group folder or "-", attempt, text, and the point at which it kills itself or "-".
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from controller.execution.attendant import Attendant
from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.ledger import Ledger
from controller.execution.pool import Pool
from controller.execution.spec import Spec


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(call: Callable[..., Awaitable[object]], when: str) -> Callable[..., Awaitable[object]]:
    """Do something, and die before or after it."""

    async def done(*given: object) -> object:
        if when == "before":
            die()
        result = await call(*given)
        die()
        return result

    return done


def die_at(point: str) -> None:
    """Have one step of an attempt be the last of this process.

    Args:
        point: `before` or `after`, and a step: `hand`, `release`, or the write of `accepted`, `started` or `ended`.
    """
    when, _, step = point.partition("-")
    if step == "hand":
        setattr(Pool, "hand", deadly(Pool.hand, when))  # noqa: B010 — not as a method of mypy's
    elif step == "release":
        setattr(Attendant, "release", deadly(Attendant.release, when))  # noqa: B010
    elif step:
        die_writing(f'"event":"{step}"'.encode(), when)


def die_writing(what: bytes, when: str) -> None:
    put = Ledger._put

    def deadly_put(ledger: Ledger, lines: bytes) -> None:
        if what in lines and when == "before":
            die()
        put(ledger, lines)
        if what in lines:
            die()

    setattr(Ledger, "_put", deadly_put)  # noqa: B010


async def main(folder: str, base: str, name: str, text: str, point: str) -> None:
    executor = Executor(Path(folder), groups=None if base == "-" else Groups(base))
    await executor.recover()
    die_at(point)
    say("up")
    await executor.accept(Spec(id=name, job="job", text=text.encode(), workdir="/"))
    say("accepted")
    await executor.start(name)
    say("started")
    await executor.wait(name)
    say("ended")
    await asyncio.sleep(1000)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
