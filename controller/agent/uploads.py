"""Bytes that were sent ahead, as streams, of the request that names them: kept in memory until it comes, or a minute.

`answering` and `attempts` call it. Whoever asked may name only what came over the same session.
"""

from __future__ import annotations

import asyncio

from controller.agent.streams import Stream
from controller.execution.errors import FullError, RefusedError
from controller.execution.spec import MAX_TEXT

MOST_SESSION = 4 * MAX_TEXT
MOST = 16 * MAX_TEXT
WITHIN = 60.0
"""Seconds that an upload may lie here, and that a request waits for one that is still coming."""


class Uploads:
    """What was sent ahead; every upload has its whole room from the beginning."""

    def __init__(self) -> None:
        self._rooms: dict[tuple[object, int], int] = {}
        self._ready: dict[tuple[object, int], asyncio.Future[bytes]] = {}

    async def receive(self, stream: Stream, size: int) -> None:
        """Take an upload to its end, and keep it for a while.

        Args:
            stream: that brings it.
            size: bytes that were announced.

        Raises:
            RefusedError: more is announced than a request may have, or other than that came.
            FullError: too much lies here.
        """
        key = (stream.session, stream.number)
        self._take_room(key, size)
        ready = self._ready[key] = asyncio.get_running_loop().create_future()
        try:
            ready.set_result(await _receive(stream, size))
        except BaseException:
            ready.cancel()
            self._drop(key)
            raise
        asyncio.get_running_loop().call_later(WITHIN, self._drop, key)

    async def take(self, session: object, number: int) -> bytes:
        """Give an upload, once; wait for one that is still coming.

        Raises:
            RefusedError: there is none.
        """
        key = (session, number)
        ready = self._ready.get(key)
        if ready is None:
            raise RefusedError(f"cannot find the upload {number}: it was not sent, or is too old")
        try:
            done = await asyncio.wait_for(asyncio.shield(ready), WITHIN)
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            if not ready.cancelled() and not isinstance(error, asyncio.TimeoutError):
                raise
            raise RefusedError(f"cannot use the upload {number}: it broke off") from error
        self._drop(key)
        return done

    def forget(self, session: object) -> None:
        """Let go of what a session that is gone has sent."""
        for key in [
            key for key, ready in self._ready.items() if key[0] == session and ready.done()
        ]:
            self._drop(key)

    def _take_room(self, key: tuple[object, int], size: int) -> None:
        if size > MAX_TEXT:
            raise RefusedError(f"cannot take a text or input of more than {MAX_TEXT} bytes")
        here = sum(room for (session, _), room in self._rooms.items() if session == key[0])
        if here + size > MOST_SESSION or sum(self._rooms.values()) + size > MOST:
            raise FullError(
                f"cannot take an upload of {size} bytes: too many wait for the request that names them"
            )
        self._rooms[key] = size

    def _drop(self, key: tuple[object, int]) -> None:
        self._rooms.pop(key, None)
        self._ready.pop(key, None)


async def _receive(stream: Stream, size: int) -> bytes:
    taken = bytearray()
    while True:
        came = await stream.read()
        if came is None:
            break
        if came.gap or len(taken) + len(came.data) > size:
            raise RefusedError(f"cannot take more than the {size} bytes that were announced")
        taken += came.data
        stream.kept(len(came.data))
    if len(taken) != size:
        raise RefusedError(f"cannot take {len(taken)} bytes: {size} were announced")
    return bytes(taken)
