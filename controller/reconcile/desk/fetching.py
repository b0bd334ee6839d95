"""Files of jobs on their way to and from a person's folder: whole or in part, and then going on where that ended.

Called by the desk; opens sessions. What a server calls a file never leads out of the folder, and nothing that is there is overwritten.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Protocol

from controller.clock import Clock
from controller.errors import NotFoundError, RefusedError, SessionLostError, StateError
from controller.reconcile.exchange.answers import Moved
from controller.store.folder import sync_folder

PIECE: Final = 1 << 18
OVERLAP: Final = 1 << 16
"""Bytes that are read once more where a fetch goes on, to see that it is still the same file."""
TRIES: Final = 5
"""Times that a fetch goes on by itself after the session broke."""
PAUSE: Final = 1.0


class Source(Protocol):
    """A file to be fetched."""

    async def size(self) -> int | None:
        """Say its size, None when it is not there."""
        ...

    def read(self, offset: int) -> AsyncIterator[bytes]:
        """Read it from an offset to its end."""
        ...


class LocalSource:
    """A file on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def size(self) -> int | None:
        """Say its size, None when it is not there."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return None

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """Read it from an offset to its end."""
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                while piece := await asyncio.to_thread(file.read, PIECE):
                    yield piece
        except OSError as error:
            raise StateError(f"cannot read {self._path}: {error.strerror or error}") from error


async def fetch(
    source: Source, name: str, outdir: Path, *, tell: Callable[[int, int], None], clock: Clock
) -> Moved:
    """Fetch a file into a folder, going on where an earlier fetch ended.

    Args:
        source: where it comes from.
        name: its path below the folder.
        outdir: the folder.
        tell: hears how many bytes of how many are here.
        clock: for the pauses after a session broke.

    Raises:
        NotFoundError: it is not there.
        StateError: something lies in its place, or the disk does not take it.
        TransportError: the session broke too often; the same call goes on later.
    """
    path = _place(outdir, name)
    for left in range(TRIES - 1, -1, -1):
        try:
            return await _fetch(source, name, path, tell)
        except SessionLostError:
            if not left:
                raise
            await clock.sleep(PAUSE)
        except OSError as error:
            raise StateError(f"cannot write {path}: {error.strerror or error}") from error
    raise StateError(f"cannot fetch {name}")


class _Part:
    """A file that is growing beside its place; `digest` is of what is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._part, flags, 0o600)
        self.size = os.fstat(self._descriptor).st_size
        self.digest = hashlib.sha256()

    def end(self, length: int) -> bytes:
        """Read its last bytes."""
        return os.pread(self._descriptor, length, self.size - length)

    def cut(self, size: int) -> None:
        """Keep so many bytes of it, and go on behind them."""
        os.ftruncate(self._descriptor, size)
        for offset in range(0, size, PIECE):
            self.digest.update(os.pread(self._descriptor, min(PIECE, size - offset), offset))
        self.size = os.lseek(self._descriptor, 0, os.SEEK_END)

    def append(self, data: bytes) -> None:
        """Write what comes next."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.digest.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """Give it its name, durably."""
        os.fsync(self._descriptor)
        self._part.replace(self._path)
        sync_folder(self._path.parent)

    def drop(self) -> None:
        """Delete it."""
        self._part.unlink()

    def close(self) -> None:
        """Let go of it; what is in it stays for the next time."""
        os.close(self._descriptor)


async def _fetch(source: Source, name: str, path: Path, tell: Callable[[int, int], None]) -> Moved:
    total = await source.size()
    if total is None:
        raise NotFoundError(f"cannot find {name!r}")
    part = _Part(path)
    try:
        resumed = part.size if part.size <= total and await _same(source, part) else 0
        await asyncio.to_thread(part.cut, resumed)
        tell(part.size, total)
        async for piece in source.read(resumed):
            await asyncio.to_thread(part.append, piece)
            tell(min(part.size, total), total)
            if part.size > total:
                break  # it grew, or has no end
        if part.size != total:
            part.drop()
            raise StateError(
                f"cannot fetch {name!r}: it changed while it was read", hint="fetch it again"
            )
        await asyncio.to_thread(part.finish)
    finally:
        part.close()
    return Moved(name=name, path=path, size=total, sha256=part.digest.hexdigest(), resumed=resumed)


async def _same(source: Source, part: _Part) -> bool:
    """Say whether what was fetched earlier ends as the file does there."""
    ours = min(part.size, OVERLAP)
    seen = b""
    async for piece in source.read(part.size - ours):
        seen += piece
        if len(seen) >= ours:
            break
    return seen[:ours] == part.end(ours)


def _place(outdir: Path, name: str) -> Path:
    """Find the place of a file below a folder, and make the folders on the way.

    Raises:
        RefusedError: its name leads out of the folder.
        StateError: it would lie elsewhere, or something lies there.
    """
    if not name or not {"", ".", ".."}.isdisjoint(name.split("/")) or "\0" in name:
        raise RefusedError(f"cannot write {name!r}: it leads out of {outdir}")
    path = outdir / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        inside = path.parent.resolve().is_relative_to(outdir.resolve())
    except OSError as error:
        raise StateError(f"cannot write below {outdir}: {error.strerror or error}") from error
    if not inside:
        raise StateError(f"cannot write {path}: a link leads out of {outdir}")
    if os.path.lexists(path):
        raise StateError(f"cannot write {path}: it is there already", hint="move it away")
    return path
