"""The game of the keyed queue: workers take keys, end well, fail or die; wishes come at any time; clocks are set.

The cores are `MemoryQueue` and the back-off of the switch. Beside the queue stands a model of it as the laws of the port have it, and
the list of wishes that nobody has looked at since: none may ever be forgotten.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeVar

from controller.reconcile.loop.spread import backoff
from controller.workqueue.memory import LOOK, MemoryQueue
from controller.workqueue.port import Claim
from tests.faults.oracle import demand, some
from tests.simulation.cores.menu import Menu
from tests.simulation.quiet import QuietClock

T = TypeVar("T")
KEYS: Final = tuple(f"target/t{number}" for number in range(6))
WORKERS: Final = 3
LONGEST_BACKOFF: Final = 300.0
TICK: Final = 1e-6
SLACK: Final = timedelta(milliseconds=1)
"""So late a key may be taken: the clock that workers sleep by counts in fractions."""
COMPARED: Final = 16
"""So often the queue is laid beside its model."""


@dataclass(slots=True)
class Entry:
    """What the laws say of one key."""

    due: datetime | None = None
    priority: int = 0
    fails: int = 0
    claim: Claim | None = None

    def wait(self, due: datetime, priority: int) -> None:
        """Of several due times the earliest counts, of several priorities the highest."""
        self.priority = priority if self.due is None else max(priority, self.priority)
        self.due = due if self.due is None else min(due, self.due)


class QueueGame:
    """A queue, its workers, and what they must see."""

    def __init__(
        self,
        rng: Random,
        *,
        queue_of: Callable[[QuietClock], MemoryQueue] = MemoryQueue,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._rng = rng
        self._queue_of = queue_of
        self._loop = asyncio.new_event_loop()
        self._clock = QuietClock()
        self._queue = self._queue_of(self._clock)
        self._model: dict[str, Entry] = {}
        self._takers: list[asyncio.Task[Claim]] = []
        self._held: list[Claim] = []
        self._wished: set[str] = set()
        """Keys that somebody wants to be looked at, and nobody has taken since."""
        self._set_at = -LOOK
        self._token = 0
        self._steps = 0
        acts = {
            "add": (30, self._add),
            "take": (25, self._take),
            "end well": (18, lambda: self._end("done")),
            "fail": (10, lambda: self._end("back")),
            "stale": (2, self._stale),
            "wait": (20, self._wait),
            "drop": (1, self._drop),
            "set clock": (1, self._set_clock),
            "give up": (2, self._give_up),
            "die": (1, self._die),
        }
        self._menu = Menu(rng, acts)

    def play(self) -> None:
        act = self._menu.draw(self.happened)
        act()
        self._settle()
        self._steps += 1
        if self._steps % COMPARED == 0:
            self._compare()

    def heal(self) -> None:
        while self._held:
            self._end("done")
        for key in KEYS:
            self._wish(key, 0.0, 0)
        self._pass(2 * LOOK)
        for _ in range(4 * len(KEYS)):
            self._take()
            self._settle()
            while self._held:
                self._end("done")
            self._pass(LONGEST_BACKOFF)
        demand(not self._wished, "I1", f"wished, and never looked at: {some(self._wished)}")
        demand(not self._model, "I9", f"still waiting: {some(self._model)}")
        self._compare()

    def close(self) -> None:
        self._end_takers()
        self._loop.close()

    # what happens

    def _add(self) -> None:
        after = self._rng.choice((0.0, 0.0, 5.0, 90.0))
        self._wish(self._rng.choice(KEYS), after, self._rng.choice((0, 0, 0, 1, -1)))

    def _wish(self, key: str, after: float, priority: int) -> None:
        self._do(self._queue.add(key, after=after, priority=priority))
        due = self._clock.now() + timedelta(seconds=after)
        self._model.setdefault(key, Entry()).wait(due, priority)
        self._wished.add(key)

    def _take(self) -> None:
        if len(self._takers) + len(self._held) < WORKERS:
            self._takers.append(self._loop.create_task(self._queue.take()))

    def _end(self, how: str) -> None:
        """End the work on a key; whoever fails comes back later and later."""
        if not self._held:
            return
        claim = self._held.pop(self._rng.randrange(len(self._held)))
        entry = self._model[claim.key]
        entry.claim = None
        if how == "done":
            self._do(self._queue.done(claim))
            entry.fails = 0
            if entry.due is None:
                del self._model[claim.key]
            return
        pause = backoff(claim.fails, claim.key)
        most = min(LONGEST_BACKOFF, 2.0 ** min(claim.fails, 30))
        demand(most / 2 <= pause <= most, "back-off", f"{pause} s after {claim.fails} failures")
        self._do(self._queue.back(claim, after=pause))
        entry.fails += 1
        entry.wait(self._clock.now() + timedelta(seconds=pause), claim.priority)

    def _stale(self) -> None:
        """Have somebody speak of a claim that is no longer theirs: nothing changes."""
        if self._token:
            old = Claim(key=self._rng.choice(KEYS), token=self._rng.randint(1, self._token))
            if all(old.token != claim.token for claim in self._held):
                self._do(self._queue.done(old))
                self._do(self._queue.back(old, after=1.0))
                self._compare()

    def _drop(self) -> None:
        key = self._rng.choice(KEYS)
        self._do(self._queue.drop(key))
        entry = self._model.get(key)
        if entry is not None:
            entry.due = None
            self._wished.discard(key)
            if entry.claim is None:
                del self._model[key]

    def _wait(self) -> None:
        self._pass(self._rng.choice((0.1, 1.0, 5.0, 61.0)))

    def _set_clock(self) -> None:
        self._clock.set_by(self._rng.choice((-3600.0, -1.0, 1.0, 3600.0)))
        self._set_at = self._clock.passed

    def _give_up(self) -> None:
        """Have a worker wait no longer; it takes nothing."""
        if self._takers:
            self._takers.pop().cancel()

    def _die(self) -> None:
        """Begin anew with nothing: every key is added again, as at every start."""
        self._end_takers()
        self._held.clear()
        self._model.clear()
        self._token = 0
        self._queue = self._queue_of(self._clock)
        for key in KEYS:
            self._wish(key, 0.0, 0)

    # what must hold

    def _pass(self, seconds: float) -> None:
        """Let time pass from one due moment to the next, so that each taking is judged at its moment."""
        end = self._clock.passed + seconds
        while self._clock.passed < end:
            now = self._clock.now()
            dues = [(one.due - now).total_seconds() for one in self._model.values() if one.due]
            first = min((due for due in dues if due > 0), default=seconds) + TICK
            step = min(first, end - self._clock.passed)
            self._loop.run_until_complete(self._clock.advance(step))
            self._settle()

    def _settle(self) -> None:
        """Let those who wait take what is theirs, and hold it to the laws."""
        if not self._takers:
            return
        self._loop.run_until_complete(_turns())
        taken = [one.result() for one in self._takers if one.done()]
        self._takers = [one for one in self._takers if not one.done()]
        for claim in sorted(taken, key=lambda one: one.token):
            self._taken(claim)
        due = [key for key, one in self._model.items() if self._is_due(one, late=SLACK)]
        patient = self._clock.passed - self._set_at >= LOOK
        demand(not (due and self._takers and patient), "laws", f"due, and not taken: {some(due)}")

    def _is_due(self, entry: Entry, *, late: timedelta = timedelta()) -> bool:
        now = self._clock.now() - late
        return entry.claim is None and entry.due is not None and entry.due <= now

    def _taken(self, claim: Claim) -> None:
        entry = self._model.get(claim.key)
        demand(entry is not None, "laws", f"{claim.key} was taken, and nobody wants it")
        assert entry is not None
        demand(entry.claim is None, "laws", f"{claim.key} is worked on twice")
        demand(claim.token > self._token, "laws", f"token {claim.token} after {self._token}")
        demand(claim.fails == entry.fails, "laws", f"{claim.key} failed {entry.fails} times")
        early = f"{claim.key} is due at {entry.due}, and was taken at {self._clock.now()}"
        demand(self._is_due(entry), "laws", early)
        due = [one.priority for one in self._model.values() if self._is_due(one, late=SLACK)]
        first = entry.priority >= max(due, default=entry.priority)
        demand(first, "laws", f"{claim.key} was taken before one of {max(due, default=0)}")
        entry.claim, entry.due, self._token = claim, None, claim.token
        self._wished.discard(claim.key)
        self._held.append(claim)

    def _compare(self) -> None:
        found = self._do(self._queue.waiting())
        there = {one.key: (one.due, one.fails, one.owned) for one in found}
        laws = {
            key: (one.due, one.fails, one.claim is not None) for key, one in self._model.items()
        }
        demand(there == laws, "laws", f"the queue holds {there}, not {laws}")

    def _do(self, work: Coroutine[object, None, T]) -> T:
        """Do at once what never waits."""
        try:
            work.send(None)
        except StopIteration as done:
            value: T = done.value
            return value
        raise AssertionError("the queue waits for something")

    def _end_takers(self) -> None:
        for taker in self._takers:
            taker.cancel()
        self._takers.clear()
        self._loop.run_until_complete(_turns())


async def _turns() -> None:
    """Let everything happen that happens now."""
    for _ in range(6):
        await asyncio.sleep(0)
