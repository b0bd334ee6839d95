"""Stored output: one growing file an attempt, exact but for masked secrets and gaps.

Called by `jobs`, which masks the bytes before they come here, and by the faces, which read them; calls the disk. Offsets are
those of the output as the server counts it. `<job>/<step>.<n>` holds the bytes without the gaps; `<step>.<n>.gaps` says where
bytes are missing. What was appended is durable, so it may be acknowledged.
"""

import asyncio
import fcntl
import os
import re
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.errors import StateError
from controller.journal.folders import sweep
from controller.journal.gaps import Gaps
from controller.model.ids import AttemptId
from controller.store.folder import sync_folder

LARGEST: Final = 64 * 1024 * 1024
"""Bytes kept of one attempt; a server's own cap is lower, so only one that lies meets this."""
PIECE: Final = 256 * 1024
"""Bytes read in one go."""
_ATTEMPT: Final = re.compile(
    r"(?P<job>[0-9a-z]{1,64})\.(?P<step>_?[a-z0-9][a-z0-9._-]{0,62})\.(?P<number>[1-9][0-9]{0,6})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Output from `offset` on; `gap` bytes before `offset` are missing."""

    offset: int
    data: bytes
    gap: int = 0


class OutputFiles:
    """The stored output of every attempt, in `output` of the state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "output"

    async def append(self, attempt: AttemptId, offset: int, data: bytes, *, gap: int = 0) -> None:
        """Store bytes durably; those stored already are passed over.

        Args:
            attempt: whose output it is.
            offset: where the bytes stand in the output as the server counts it.
            data: the bytes, masked.
            gap: how many bytes before `offset` are missing for good.

        Raises:
            StateError: bytes before `offset` were never given, or the disk does not take them.
        """
        await asyncio.to_thread(self._append, attempt, offset, data, gap)

    async def stored(self, attempt: AttemptId) -> int:
        """Say up to which offset output is stored, gaps counted."""
        return await asyncio.to_thread(self._stored, self._path(attempt))

    async def read(self, attempt: AttemptId, offset: int = 0) -> Piece:
        """Read the next piece from an offset on; without bytes at the end of what is stored."""
        return await asyncio.to_thread(self._read, attempt, offset)

    async def pieces(self, attempt: AttemptId, offset: int = 0) -> AsyncIterator[Piece]:
        """Read everything that is stored from an offset on, piece by piece."""
        while True:
            piece = await self.read(attempt, offset)
            if piece.data or piece.gap:
                yield piece
            if not piece.data:
                return
            offset = piece.offset + len(piece.data)

    def sweep(self, keep: Collection[str]) -> None:
        """Delete the output of every job but these.

        Raises:
            StateError: the disk does not let go of it.
        """
        sweep(self._folder, keep)

    def _append(self, attempt: AttemptId, offset: int, data: bytes, gap: int) -> None:
        path = self._path(attempt)
        try:
            for folder in (self._folder, path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_size == 0:
                    self._keep_names(path)
                self._grow(descriptor, path, offset, data, gap)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StateError(
                f"cannot store output of {attempt}: {error.strerror or error}",
                hint="free some space, or check the disk",
            ) from error

    def _grow(self, descriptor: int, path: Path, offset: int, data: bytes, gap: int) -> None:
        """Append what is new; the gap is made durable before the bytes behind it."""
        size = os.fstat(descriptor).st_size
        gaps = Gaps.read(path)
        stored = size + gaps.total
        missing = offset - stored
        if missing > gap:
            raise StateError(
                f"cannot store output of {path.parent.name}/{path.name} from byte {offset}: "
                f"only {stored} are stored"
            )
        fresh = data[max(0, -missing) :]
        if missing > 0:
            gaps.add(stored, missing)
            gaps.write(path)
        kept = fresh[: max(0, LARGEST - size) if gaps.room else 0]
        _write_all(descriptor, kept)
        if len(kept) < len(fresh):
            gaps.add(size + len(kept) + gaps.total, len(fresh) - len(kept))
            gaps.write(path)

    def _stored(self, path: Path) -> int:
        try:
            return path.stat().st_size + Gaps.read(path).total
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StateError(f"cannot read stored output: {error.strerror or error}") from error

    def _read(self, attempt: AttemptId, offset: int) -> Piece:
        path = self._path(attempt)
        try:
            gaps = Gaps.read(path)
            start, position, until = gaps.place(offset)
            with path.open("rb") as file:
                file.seek(position)
                data = file.read(PIECE if until is None else min(PIECE, until - start))
        except FileNotFoundError:
            return Piece(offset=offset, data=b"")
        except OSError as error:
            raise StateError(
                f"cannot read output of {attempt}: {error.strerror or error}"
            ) from error
        return Piece(offset=start, data=data, gap=start - offset)

    def _path(self, attempt: AttemptId) -> Path:
        """Name the file of an attempt; an id that is not one of ours names none."""
        found = _ATTEMPT.fullmatch(attempt)
        if found is None:
            raise StateError(f"cannot keep output of {attempt!r}: it is not the id of an attempt")
        return self._folder / found["job"] / f"{found['step']}.{found['number']}"

    def _keep_names(self, path: Path) -> None:
        """Make the name of a file durable before its first byte, whoever made it: that one may have been killed since."""
        for folder in (path.parent, self._folder, self._folder.parent):
            sync_folder(folder)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
