"""Coroutines that wait for what one thread does for many of them: each with its answer, all woken together.

Used by the writers of the state and of the logs, which commit what many ask for in groups.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True, eq=False)
class Caller:
    """Who waits, and what becomes of it; made in the loop of the coroutine that then awaits `answer`."""

    result: object = None
    error: BaseException | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    answer: "asyncio.Future[object]" = field(init=False)

    def __post_init__(self) -> None:
        self.answer = self.loop.create_future()

    def settle(self) -> None:
        """Give the caller its result or its error, unless it has gone."""
        if self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


def wake(callers: Sequence[Caller]) -> None:
    """Wake callers from another thread, loop by loop, each loop once; a loop that is gone has nobody to wake."""
    for loop in {caller.loop for caller in callers}:
        mine = [caller for caller in callers if caller.loop is loop]
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, mine)


def _settle_all(callers: Sequence[Caller]) -> None:
    for caller in callers:
        caller.settle()
