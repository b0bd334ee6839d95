"""Bytes that were sent ahead, as streams, of the request that names them: kept until it comes, or a minute.

A few lie in memory; what is larger, the tree of a repo for example, goes to a file, which is deleted when its attempt has
it open. `answering` and `starts` call it. Whoever asked may name only what came over the same session.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path

from controller.agent.errors import AgentError
from controller.agent.streams import Stream
from controller.execution.errors import FullError, RefusedError
from controller.execution.spec import MAX_TEXT
from controller.wire.record import record

MOST_SESSION = 4 * MAX_TEXT
MOST = 16 * MAX_TEXT
MOST_FILE = 256 << 20
MOST_FILES = 1 << 30
SPARE = 64 << 20
"""Bytes of the disk that files leave free."""
WITHIN = 60.0
"""Seconds that an upload may lie here, and that a request waits for one that is still coming."""


@record
class Body:
    """What was sent: its bytes, or the file that has them and their digest."""

    data: bytes = b""
    path: str = ""
    sha256: str = ""


class Uploads:
    """What was sent ahead; every upload has its whole room from the beginning.

    Args:
        folder: for what is too large for memory; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rooms: dict[tuple[object, int], int] = {}
        self._ready: dict[tuple[object, int], asyncio.Future[Body]] = {}
        self._files: dict[str, int] = {}
        self._held: dict[str, str] = {}
        self._count = 0

    def open(self) -> None:
        """Make the folder, and delete what a daemon before left: nothing that needs it will start.

        Raises:
            AgentError: the disk refused.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for file in self._folder.iterdir():
                file.unlink()
        except OSError as error:
            raise AgentError(f"cannot use {self._folder}: {error.strerror}") from error

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
        path = self._take_room(key, size)
        ready = self._ready[key] = asyncio.get_running_loop().create_future()
        try:
            ready.set_result(await _receive(stream, size, path))
        except BaseException:
            ready.cancel()
            self._drop(key)
            self.delete(path)
            raise
        asyncio.get_running_loop().call_later(WITHIN, self._expire, key, path)

    async def take(self, session: object, number: int) -> Body:
        """Give an upload, once; wait for one that is still coming. Its file is whoever's who took it.

        Raises:
            RefusedError: there is none.
        """
        key = (session, number)
        ready = self._ready.get(key)
        if ready is None:
            raise RefusedError(f"cannot find the upload {number}: it was not sent, or is too old")
        await asyncio.wait({ready}, timeout=WITHIN)
        if not ready.done() or ready.cancelled():
            raise RefusedError(f"cannot use the upload {number}: it broke off")
        self._drop(key)
        return ready.result()

    def hold(self, attempt: str, path: str) -> None:
        """Keep a file until its attempt has it open."""
        if path:
            self._held[attempt] = path

    def release(self, attempt: str) -> None:
        """Delete the file of an attempt, which has it open, or never will."""
        self.delete(self._held.pop(attempt, ""))

    def delete(self, path: str) -> None:
        """Delete the file of an upload, if it has one."""
        if self._files.pop(path, None) is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 — it is a text here

    def _take_room(self, key: tuple[object, int], size: int) -> str:
        """Reserve room in memory, or a file."""
        if size > MOST_FILE:
            raise RefusedError(f"cannot take an upload of more than {MOST_FILE} bytes")
        full = FullError(
            f"cannot take an upload of {size} bytes: too much waits for the request that names it",
            hint="try again in a minute",
        )
        if size > MAX_TEXT:
            about = os.statvfs(self._folder)
            free = about.f_bavail * about.f_frsize - sum(self._files.values())
            if sum(self._files.values()) + size > MOST_FILES or free < size + SPARE:
                raise full
            self._count += 1
            path = str(self._folder / str(self._count))
            self._files[path] = size
            return path
        here = sum(room for (session, _), room in self._rooms.items() if session == key[0])
        if here + size > MOST_SESSION or sum(self._rooms.values()) + size > MOST:
            raise full
        self._rooms[key] = size
        return ""

    def _expire(self, key: tuple[object, int], path: str) -> None:
        """Let go of an upload that nobody took."""
        ready = self._ready.get(key)
        if ready is not None and ready.done() and ready.result().path == path:
            self._drop(key)
            self.delete(path)

    def _drop(self, key: tuple[object, int]) -> None:
        self._rooms.pop(key, None)
        self._ready.pop(key, None)


async def _receive(stream: Stream, size: int, path: str) -> Body:
    digest, taken, length = hashlib.sha256(), bytearray(), 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600) if path else -1
    try:
        while True:
            came = await stream.read()
            if came is None:
                break
            length += len(came.data)
            if came.gap or length > size:
                raise RefusedError(f"cannot take more than the {size} bytes that were announced")
            digest.update(came.data)
            if file >= 0:
                await asyncio.to_thread(_write, file, came.data)
            else:
                taken += came.data
            stream.kept(len(came.data))
    finally:
        if file >= 0:
            os.close(file)
    if length != size:
        raise RefusedError(f"cannot take {length} bytes: {size} were announced")
    return Body(data=bytes(taken), path=path, sha256=digest.hexdigest() if path else "")


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
