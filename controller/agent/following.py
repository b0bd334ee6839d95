"""Streams about attempts: their output as it grows, and more input for those that take it.

`answering` calls it; it calls the executor.
"""

from __future__ import annotations

import asyncio

from controller.agent.asker import Asker
from controller.agent.pool import Pool
from controller.agent.streams import Data, Stream
from controller.execution.errors import RefusedError, UnknownAttemptError
from controller.execution.executor import Executor
from controller.execution.status import Phase
from controller.wire.messages.streams import OpenInput, OpenOutput


class Following:
    """Whoever follows an attempt or types into one.

    Args:
        executor: has the attempts.
        pool: lets those begin that wait.
    """

    def __init__(self, executor: Executor, pool: Pool) -> None:
        self._executor = executor
        self._pool = pool
        self._fed: dict[tuple[str, str], int] = {}
        self._feeding: dict[str, asyncio.Lock] = {}

    async def output(self, asked: OpenOutput, stream: Stream) -> None:
        """Give output from an offset on; of what is nowhere, or discarded, there is none."""
        try:
            chunks = self._executor.output(asked.attempt, offset=asked.offset, follow=asked.follow)
            async for chunk in chunks:
                await stream.write(chunk.data, gap=chunk.gap)
        except UnknownAttemptError:
            await stream.end()
            return
        status = self._executor.status(asked.attempt)
        sha256 = None if status.end is None else status.end.sha256
        await stream.end(length=status.length, sha256=sha256)

    async def input(self, asker: Asker, asked: OpenInput, stream: Stream) -> None:
        """Take input for an attempt: each byte once and in order, also when the stream is opened again behind a lost one.

        An offset of 0 begins anew: what comes is new input, whatever was fed before.
        """
        name = asked.attempt
        await self._pool.ready(name)
        key = (name, asker.name)
        if not asked.offset:
            self._fed[key] = 0
        at = self._fed.setdefault(key, asked.offset)
        if asked.offset > at:
            raise RefusedError(f"cannot feed {name} from byte {asked.offset} on: it has {at}")
        lock = self._feeding.setdefault(name, asyncio.Lock())
        while True:
            came = await stream.read()
            if came is None:
                break
            async with lock:
                await self._feed(key, came)
            stream.kept(len(came.data))
        async with lock:
            await self._executor.feed(name, b"", close=True)
        self._fed.pop(key, None)

    def over(self, name: str) -> None:
        """Forget how much an attempt was fed."""
        self._feeding.pop(name, None)
        for key in [key for key in self._fed if key[0] == name]:
            del self._fed[key]

    async def _feed(self, key: tuple[str, str], came: Data) -> None:
        """Feed what is new of some bytes."""
        name = key[0]
        if self._executor.status(name).phase is Phase.ENDED:
            raise RefusedError(f"cannot feed {name}: it has ended")
        fed = self._fed.get(key, came.offset)
        fresh = came.data[max(0, fed - came.offset) :]
        await self._executor.feed(name, fresh)
        self._fed[key] = max(fed, came.offset + len(came.data))
