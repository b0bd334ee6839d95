"""The queue inside one process: nothing is kept, because every key is added again at start.

Built by `service`; calls the clock. Everything happens between two awaits, so no lock is needed.
"""

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from controller.clock import Clock
from controller.errors import StateError
from controller.workqueue.port import SHOWN, Claim, Waiting, check, check_pause

KEYS: Final = 1_000_000
"""Keys that wait or are worked on; a further one is refused."""
LOOK: Final = 60.0
"""Seconds after which a waiting worker looks at the time again, in case somebody set the clock."""
PASSED: Final = 1_000
"""Places of keys that have another one since, beyond as many as there are keys: then all are put in order anew."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One key: what waits of it, and who works on it."""

    due: datetime | None = None
    priority: int = 0
    fails: int = 0
    claim: Claim | None = None
    version: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryQueue:
    """Keys of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._later: list[tuple[datetime, int, str]] = []
        self._ready: list[tuple[int, datetime, int, str]] = []
        self._versions = itertools.count(1)
        self._tokens = itertools.count(1)
        self._changed = asyncio.Event()
        self._closed = False

    async def add(self, key: str, *, after: float = 0.0, priority: int = 0) -> None:
        """See to it that a key is worked on once more, in `after` seconds or before."""
        check(key, after=after, priority=priority)
        self._refuse_closed()
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= KEYS:
                raise StateError(f"cannot queue {key}: {KEYS} keys wait already")
            entry = self._entries[key] = _Entry()
        self._wait(key, entry, after=after, priority=priority)

    async def take(self) -> Claim:
        """Wait for a key that is due."""
        while True:
            self._refuse_closed()
            self._changed.clear()
            claim = self._next()
            if claim is not None:
                return claim
            await self._something()

    async def done(self, claim: Claim) -> None:
        """Say that the work on a key has ended well."""
        entry = self._freed(claim)
        if entry is not None:
            entry.fails = 0
            self._settle(claim.key, entry)

    async def back(self, claim: Claim, *, after: float) -> None:
        """Give a key back to be tried again later."""
        check_pause(after)
        entry = self._freed(claim)
        if entry is not None:
            entry.fails += 1
            self._wait(claim.key, entry, after=after, priority=claim.priority)

    async def lost(self, claim: Claim) -> None:
        """Come back once a claim is no longer ours."""
        entry = self._entries.get(claim.key)
        if entry is not None and entry.claim == claim:
            await entry.gone.wait()

    async def drop(self, key: str) -> None:
        """Forget that a key waits."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.due = None
            self._settle(key, entry)

    async def waiting(self) -> tuple[Waiting, ...]:
        """List what waits or is worked on."""
        first = heapq.nsmallest(
            SHOWN, self._entries.items(), key=lambda item: (item[1].due or _NEVER, item[0])
        )
        return tuple(
            Waiting(key=key, due=one.due, fails=one.fails, owned=one.claim is not None)
            for key, one in first
        )

    async def close(self) -> None:
        """Let go of everything, and tell those who wait."""
        self._closed = True
        self._changed.set()
        for entry in self._entries.values():
            entry.gone.set()
        self._entries.clear()

    def _wait(self, key: str, entry: _Entry, *, after: float, priority: int) -> None:
        """Let a key wait: of several due times the earliest counts, of several priorities the highest."""
        due = self._clock.now() + timedelta(seconds=after)
        if (
            entry.due is not None
            and entry.due <= due
            and entry.priority >= priority
            and entry.version
        ):
            return  # it stands in its place already
        entry.priority = priority if entry.due is None else max(entry.priority, priority)
        entry.due = due if entry.due is None else min(entry.due, due)
        self._settle(key, entry)

    def _settle(self, key: str, entry: _Entry) -> None:
        """Put a key where it belongs: into the order of what is to come, or out of the queue."""
        if entry.claim is not None:
            return
        if entry.due is None:
            del self._entries[key]
            return
        # What stands in the heaps of an older version is passed over.
        entry.version = next(self._versions)
        heapq.heappush(self._later, (entry.due, entry.version, key))
        if len(self._later) > 2 * len(self._entries) + PASSED:
            self._later = [one for one in self._later if self._is_current(one[2], one[1])]
            heapq.heapify(self._later)
        self._changed.set()

    def _freed(self, claim: Claim) -> _Entry | None:
        """Take a claim from its key; None where it is no longer the claim of the key."""
        entry = self._entries.get(claim.key)
        if entry is None or entry.claim is None or entry.claim.token != claim.token:
            return None
        entry.claim = None
        entry.gone.set()
        return entry

    def _next(self) -> Claim | None:
        """Claim the key whose turn it is."""
        now = self._clock.now()
        while self._later and self._later[0][0] <= now:
            due, version, key = heapq.heappop(self._later)
            if self._is_current(key, version):
                heapq.heappush(self._ready, (-self._entries[key].priority, due, version, key))
        while self._ready:
            _, due, version, key = heapq.heappop(self._ready)
            if not self._is_current(key, version):
                continue
            if due <= now:
                return self._claim(key)
            heapq.heappush(self._later, (due, version, key))  # somebody set the clock back
        return None

    def _claim(self, key: str) -> Claim:
        entry = self._entries[key]
        token = next(self._tokens)
        claim = Claim(key=key, token=token, fails=entry.fails, priority=entry.priority)
        entry.claim, entry.due, entry.version = claim, None, 0
        entry.gone = asyncio.Event()
        if self._ready or self._later:
            self._changed.set()  # the next one who waits looks, too
        return claim

    def _is_current(self, key: str, version: int) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.version == version

    async def _something(self) -> None:
        """Wait until a key was added, or the next one is due."""
        pause = LOOK
        if self._later:
            until = (self._later[0][0] - self._clock.now()).total_seconds()
            pause = min(max(until, 0.0), LOOK)
        changed = asyncio.ensure_future(self._changed.wait())
        slept = asyncio.ensure_future(self._clock.sleep(pause))
        try:
            await asyncio.wait({changed, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            slept.cancel()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StateError("cannot use a queue that has been closed")
