"""The one writer of a log: lines that wait while others are flushed are written together.

Called by the log; calls the chain, from one thread at a time. Whoever comes when nothing is being written has a thread begun; that thread goes on,
group after group, until nobody waits. A line is durable before its caller goes on, and the lines of one caller stay in their order.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.callers import Caller, wake
from controller.clock import Clock
from controller.errors import StateError
from controller.journal.chain import Chain, FlushError
from controller.journal.line import Entry

GROUP: Final = 200
"""Lines that share one flush at most."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting(Caller):
    """One caller's line."""

    entry: Entry
    owed: bool


class Writer:
    """Takes lines from any number of coroutines and writes them in groups."""

    def __init__(self, chain: Chain, *, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._mine = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._writing = False
        self._broken: StateError | None = None
        self._owed: deque[Entry] = deque()
        """Lines after changes that the disk did not take. No change begins before they are written, so they stay few."""

    async def write(self, entry: Entry, *, owed: bool = False) -> None:
        """Write a line and come back when it is durable; a caller that is cancelled has it written all the same.

        Args:
            entry: the line.
            owed: whether it is to be written before any other where the disk refuses it now.

        Raises:
            StateError: the line cannot be written; after an error of the disk, for good.
        """
        waiting = _Waiting(entry=entry, owed=owed)
        with self._mine:
            if not self._writing:
                waiting.loop.run_in_executor(None, self._serve)
                self._writing = True
            self._waiting.append(waiting)
        await waiting.answer

    def _serve(self) -> None:
        while group := self._next_group():
            try:
                self._settle(group)
            except Exception as error:  # noqa: BLE001  # a bug of ours goes to those who wait; the thread lives on
                for waiting in group:
                    waiting.error = error
            wake(group)

    def _next_group(self) -> list[_Waiting]:
        """Take all that wait; once nobody does, the next to come begins a thread again."""
        with self._mine:
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            self._writing = bool(group)
        return group

    def _settle(self, group: Sequence[_Waiting]) -> None:
        """Write a group, and note at each line that does not stand why."""
        stand, error = 0, self._broken
        try:
            if error is None:
                stand = self._write(group)
        except FlushError as flaw:
            error = self._broken = self._refusal(flaw.strerror or flaw)
        except OSError as flaw:
            error = self._refusal(flaw.strerror or flaw)
        for waiting in group[stand:]:
            waiting.error = error or self._refusal("there is no room for it")
            if waiting.owed and self._broken is None:
                self._owed.append(waiting.entry.due(self._clock.now()))

    def _write(self, group: Sequence[_Waiting]) -> int:
        """Write what is owed, then a group; gives how many of the group stand."""
        before = len(self._owed)
        count = self._chain.extend([*self._owed, *(waiting.entry for waiting in group)])
        for _ in range(min(before, count)):
            self._owed.popleft()
        return max(0, count - before)

    def _refusal(self, why: object) -> StateError:
        return StateError(
            f"cannot write the {self._chain.name} log: {why}",
            hint="free some space, or check the disk",
        )
