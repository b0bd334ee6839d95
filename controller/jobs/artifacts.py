"""Fetched files on the controller's disk: artifacts and results, by job.

Called by `collect` through the port `ArtifactFiles`, and by the faces, which list and copy them; calls the disk. Names
come from servers: no name leads out of the job's folder, and what arrives is bounded and appears whole or not at all.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from controller.errors import RefusedError, StateError
from controller.journal.artifacts import SavedFile
from controller.model.ids import JobId

LARGEST: Final = 4 << 30
"""Bytes of one file."""
LONGEST_PATH: Final = 1024
LONGEST_NAME: Final = 255


class ArtifactFolder:
    """The folder `artifacts` below a state folder, which must exist."""

    def __init__(self, state: Path, *, largest: int = LARGEST) -> None:
        self._root = state / "artifacts"
        self._largest = largest

    async def save(
        self, job: JobId, path: str, chunks: AsyncIterator[bytes], tell: Callable[[int], None]
    ) -> SavedFile:
        """Store one file whole or not at all.

        Args:
            job: whose file it is.
            path: its name as the server told it.
            chunks: its bytes.
            tell: hears how many bytes are here.

        Raises:
            RefusedError: its name leads elsewhere, or it is too large.
            StateError: the disk does not take it.
        """
        goal = self.place(job, path)
        try:
            return await self._write(goal, path, chunks, tell)
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            raise RefusedError(f"cannot store {path!r}: another file is in its way") from None
        except OSError as error:
            raise StateError(
                f"cannot store {path!r} of job {job}: {error.strerror or error}",
                hint="free some space, or check the disk",
            ) from error

    def place(self, job: JobId, path: str) -> Path:
        """Say where a file of a job lies, whether it is there or not.

        Raises:
            RefusedError: the name leads elsewhere.
        """
        parts = PurePosixPath(path).parts
        bad = (
            not parts
            or len(path) > LONGEST_PATH
            or PurePosixPath(path).is_absolute()
            or not path.isprintable()
            or any(part == ".." or len(part.encode()) > LONGEST_NAME for part in parts)
        )
        if bad:
            raise RefusedError(f"cannot store a file named {path[:LONGEST_PATH]!r}")
        return self._root.joinpath(job, *parts)

    async def _write(
        self, goal: Path, path: str, chunks: AsyncIterator[bytes], tell: Callable[[int], None]
    ) -> SavedFile:
        """Write beside the goal, flush, and rename."""
        goal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=goal.parent, prefix=".new-")
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._largest:
                        raise RefusedError(
                            f"cannot store {path!r}: it has more than {self._largest} bytes"
                        )
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
                    tell(size)
                await asyncio.to_thread(_flush, file)
            await asyncio.to_thread(_move, Path(name), goal)
        finally:
            Path(name).unlink(missing_ok=True)  # noqa: ASYNC240  # one system call, also when cancelled
        return SavedFile(path=path, size=size, sha256=digest.hexdigest())


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _move(fresh: Path, goal: Path) -> None:
    """Put the file in its place, durably."""
    fresh.replace(goal)
    descriptor = os.open(goal.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
