"""The queue in PostgreSQL: one table that any number of workers on any number of machines share.

Built by `service`; calls `statements` through `wire`, `keeping` and `bell`. The table is made by the migrations of `store`. One task asks
for keys on behalf of all who wait in `take`, as many at once as wait, so that a caller who goes away never takes a key with it.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from controller.errors import StateError
from controller.workqueue import statements
from controller.workqueue.bell import Bell
from controller.workqueue.keeping import Keeping
from controller.workqueue.port import SHOWN, Claim, Waiting, check, check_pause
from controller.workqueue.wire import Row, Wire

LEASE: Final = 15.0
"""Seconds for which a claim holds without being renewed."""
LOOK: Final = 1.0
"""Seconds between two looks for keys while nobody rings."""
SOONEST: Final = 0.02
"""Seconds between two looks, however soon the next key is due."""
PATIENCE: Final = 20.0
"""Seconds that an add is tried while PostgreSQL is away; then its caller is told."""
WIRES: Final = 4
"""Connections for adds, so that several wait for the disk together; the adds of one key keep their order."""
LEAVING: Final = 5.0
"""Seconds that closing takes at most while PostgreSQL is away."""


class Transaction(Protocol):
    """A connection of psycopg with a transaction that somebody else ends."""

    def execute(self, query: bytes, params: Mapping[str, object]) -> object:
        """Run a statement."""
        ...


def add_in(transaction: Transaction, key: str, *, after: float = 0.0, priority: int = 0) -> None:
    """Add a key in a transaction of the caller: it waits from its commit on, or never.

    Args:
        transaction: a connection of psycopg; of a SQLAlchemy connection it is `connection.connection.driver_connection`.
        key: what is to be worked on.
        after: in so many seconds.
        priority: the higher the sooner.
    """
    check(key, after=after, priority=priority)
    values = {"key": key, "after": after, "prio": priority}
    transaction.execute(statements.ADD.encode(), values)


class PostgresQueue:
    """Keys in PostgreSQL; works from `start` to `close`."""

    def __init__(self, url: str, *, lease: float = LEASE, look: float = LOOK) -> None:
        """Prepare.

        Args:
            url: of the database whose tables `store` has made.
            lease: seconds after which the keys of a worker that died, or stands still, go to others.
            look: seconds between two looks while nobody rings.
        """
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._look = look
        self._wires = [Wire(url) for _ in range(WIRES)]
        self._taking = Wire(url)
        self._ending = Wire(
            url, durable=False
        )  # an end that a crash takes back is a run more, no run less
        self._bell = Bell(url)
        self._keeping = Keeping(self._taking, lease=lease)
        self._takers: deque[asyncio.Future[Claim]] = deque()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._endings: set[asyncio.Task[Sequence[Row]]] = set()
        self._closed = False
        self._broken: BaseException | None = None

    async def start(self) -> None:
        """Reach the table and begin to serve.

        Raises:
            StateError: it cannot be used.
        """
        await self._taking.run(statements.NEXT, {}, patience=PATIENCE)
        keeping = self._keeping
        parts = (self._serve(), keeping.keep(), keeping.watch(), self._bell.listen())
        for part in parts:
            task = asyncio.create_task(part)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def add(self, key: str, *, after: float = 0.0, priority: int = 0) -> None:
        """See to it that a key is worked on once more, in `after` seconds or before."""
        check(key, after=after, priority=priority)
        self._refuse_closed()
        values = {"key": key, "after": after, "prio": priority}
        await self._wire_of(key).run(statements.ADD, values, patience=PATIENCE)
        if after == 0:
            self._bell.ring()

    async def take(self) -> Claim:
        """Wait for a key that is due."""
        self._refuse_closed()
        if self._broken is not None:
            raise self._broken
        taker: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        self._wanted.set()
        try:
            return await taker
        except asyncio.CancelledError:
            if taker.done() and not taker.cancelled() and taker.exception() is None:
                self._untake(taker.result())
            raise

    async def done(self, claim: Claim) -> None:
        """Say that the work on a key has ended well."""
        await self._end(claim, statements.DONE, {})

    async def back(self, claim: Claim, *, after: float) -> None:
        """Give a key back to be tried again later."""
        check_pause(after)
        await self._end(claim, statements.BACK, {"after": after, "prio": claim.priority})

    async def lost(self, claim: Claim) -> None:
        """Come back once a claim is no longer ours."""
        await self._keeping.lost(claim)

    async def drop(self, key: str) -> None:
        """Forget that a key waits."""
        await self._wire_of(key).run(statements.DROP, {"key": key}, patience=PATIENCE)

    async def waiting(self) -> tuple[Waiting, ...]:
        """List what waits or is worked on."""
        rows = await self._ending.run(statements.WAITING, {"most": SHOWN}, patience=PATIENCE)
        return tuple(_waiting(row) for row in rows)

    async def close(self) -> None:
        """Let go of everything; what is held goes to others at once."""
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tell_takers(_closed())
        if self._endings:
            _, left = await asyncio.wait(self._endings, timeout=LEAVING)
            for ending in left:
                ending.cancel()
        with contextlib.suppress(StateError):  # else they go to others when their leases have ended
            await self._ending.run(statements.LEAVE, {"owner": self.owner}, patience=LEAVING)
        self._keeping.lose_all()
        for wire in (*self._wires, self._taking, self._ending):
            await wire.close()

    async def _serve(self) -> None:
        """Claim keys for those who wait, until cancelled."""
        while True:
            await self._wanted.wait()
            pause = 0.0
            try:
                if not await self._claim_some():
                    pause = await self._until_next()
            except StateError:
                pause = self._look
            self._takers = deque(taker for taker in self._takers if not taker.done())
            if not self._takers:
                self._wanted.clear()
            elif pause:
                await self._bell.wait(pause)

    async def _claim_some(self) -> bool:
        """Claim as many keys as callers wait for; whether there were as many."""
        most = sum(not taker.done() for taker in self._takers)
        if not most:
            return True
        asked_at = asyncio.get_running_loop().time()
        values = {"most": most, "owner": self.owner, "lease": self._keeping.lease}
        rows = await self._taking.run(statements.CLAIM, values, patience=0)
        claims = sorted((_claim(row) for row in rows), key=lambda one: (-one.priority, one.token))
        for claim in claims:
            self._keeping.hold(claim, asked_at=asked_at)
            self._hand_out(claim)
        return len(claims) == most

    def _hand_out(self, claim: Claim) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(claim)
                return
        self._untake(claim)

    async def _until_next(self) -> float:
        rows = await self._taking.run(statements.NEXT, {}, patience=0)
        seconds = rows[0][0] if rows else None
        if not isinstance(seconds, float):
            return self._look
        return min(max(seconds, SOONEST), self._look)

    def _wire_of(self, key: str) -> Wire:
        return self._wires[hash(key) % WIRES]

    def _untake(self, claim: Claim) -> None:
        """Put a key back that nobody took, as if it had never been claimed."""
        if not self._closed:
            self._begin_end(claim, statements.UNTAKE, {"prio": claim.priority})

    async def _end(self, claim: Claim, statement: str, values: Mapping[str, object]) -> None:
        """End a claim; once begun it is carried through, whether or not the caller stays."""
        if self._keeping.holds(claim):
            await asyncio.shield(self._begin_end(claim, statement, values))

    def _begin_end(
        self, claim: Claim, statement: str, values: Mapping[str, object]
    ) -> "asyncio.Task[Sequence[Row]]":
        told = {**values, "key": claim.key, "token": claim.token}
        ending = asyncio.create_task(
            self._ending.run(statement, told, patience=self._keeping.lease)
        )
        self._endings.add(ending)

        def ended(task: "asyncio.Task[Sequence[Row]]") -> None:
            self._endings.discard(task)
            if not task.cancelled():
                task.exception()  # told to the caller if it stayed; else the lease ends by itself
            self._keeping.let_go(claim)

        ending.add_done_callback(ended)
        return ending

    def _ended(self, part: "asyncio.Task[None]") -> None:
        """Tell every worker when a part of ours broke, which is a bug: half a queue would be worse than none."""
        if not part.cancelled() and (error := part.exception()) is not None:
            self._broken = error
            self._tell_takers(error)

    def _tell_takers(self, error: BaseException) -> None:
        for taker in self._takers:
            if not taker.done():
                taker.set_exception(error)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise _closed()


def _closed() -> StateError:
    return StateError("cannot use a queue that has been closed")


def _claim(row: Row) -> Claim:
    key, token, fails, priority = row
    return Claim(key=str(key), token=_int(token), fails=_int(fails), priority=_int(priority))


def _waiting(row: Row) -> Waiting:
    key, due, fails, owned = row
    moment = due if isinstance(due, datetime) else None
    return Waiting(key=str(key), due=moment, fails=_int(fails), owned=owned is True)


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise StateError(f"cannot read {value!r} from the queue")
    return value
