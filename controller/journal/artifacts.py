"""Files that jobs left behind, in `artifacts/<job>` of the state folder; not masked.

Called by `jobs`, which fetches them, and by the faces, which hand them out; calls the disk. Their paths come from a server and are
made harmless: whatever it says, a file lands inside the job's own folder, whole or not at all.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from controller.errors import NotFoundError, RefusedError, StateError
from controller.journal.folders import sweep
from controller.model.ids import JobId
from controller.store.folder import sync_folder

LARGEST: Final = 1 << 30
"""Bytes of one artifact."""
MOST: Final = 1000
"""Artifacts of one job."""
WHOLE: Final = 4 << 30
"""Bytes of all artifacts of one job."""
PATH: Final = 512
"""Bytes of a path, and"""
PART: Final = 120
"""bytes of one part of it, after which a hash stands for the rest."""

_JOB: Final = re.compile(r"[0-9a-z]{1,64}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._+@,=-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A file as it was stored; `path` is the harmless form of what the server called it."""

    path: str
    size: int
    sha256: str


class ArtifactFiles:
    """The artifacts of every job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "artifacts"

    async def save(
        self, job: JobId, path: str, chunks: AsyncIterator[bytes], tell: Callable[[int], None]
    ) -> SavedFile:
        """Store one file whole or not at all, in place of an earlier one of that path.

        Args:
            job: whose file it is.
            path: what the server calls it.
            chunks: its bytes.
            tell: hears how many bytes have arrived, after each chunk.

        Raises:
            RefusedError: it is too large, there are too many, or its path contradicts another.
            StateError: the disk does not take it.
        """
        harmless = harmless_path(path)
        try:
            room = await asyncio.to_thread(self._room, job, harmless)
            part = await asyncio.to_thread(self._part, job, harmless)
            try:
                size, digest = await _receive(part, chunks, tell, room)
                await asyncio.to_thread(self._put, part, self._of(job) / harmless)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                f"cannot keep the artifact {harmless} of job {job}: {error.strerror or error}",
                hint="free some space, or check the disk",
            ) from error
        return SavedFile(path=harmless, size=size, sha256=digest)

    async def list(self, job: JobId) -> Mapping[str, int]:
        """List the artifacts of a job with their sizes in bytes, in order of their paths."""
        return await asyncio.to_thread(self._list, job)

    def locate(self, job: JobId, path: str) -> Path:
        """Find a stored artifact by the path `list` gives.

        Raises:
            NotFoundError: there is none.
        """
        if path not in self._list(job):
            raise NotFoundError(f"cannot find the artifact {path!r} of job {job}")
        return self._of(job) / path

    def sweep(self, keep: Collection[str]) -> None:
        """Delete the files of every job but these.

        Raises:
            StateError: the disk does not let go of them.
        """
        sweep(self._folder, keep)

    def _list(self, job: JobId) -> Mapping[str, int]:
        folder = self._of(job)
        found = sorted(
            path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
        )
        return {str(path.relative_to(folder)): path.stat().st_size for path in found}

    def _room(self, job: JobId, path: str) -> int:
        """Say how large a further file of the job may be."""
        others = {name: size for name, size in self._list(job).items() if name != path}
        room = min(LARGEST, WHOLE - sum(others.values()))
        if len(others) >= MOST or room <= 0:
            raise RefusedError(
                f"cannot keep the artifact {path} of job {job}: "
                f"it has {len(others)} already, {sum(others.values())} bytes together"
            )
        return room

    def _part(self, job: JobId, path: str) -> Path:
        """Make the file that receives the bytes; one left by a crash is used again."""
        folder = self._folder / ".part"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        part = folder / f"{job}-{name}"
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(part, flags, 0o600))
        return part

    def _put(self, part: Path, path: Path) -> None:
        """Give a received file its name, durably.

        A server may call one file `a` and another `a/b`: that is its fault, not the disk's.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.replace(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise RefusedError(
                f"cannot keep the artifact {path.relative_to(self._folder)}: "
                "a part of its path is a file and a folder"
            ) from error
        sync_folder(path.parent)

    def _of(self, job: JobId) -> Path:
        if not _JOB.fullmatch(job):
            raise StateError(f"cannot keep artifacts of {job!r}: it is not the id of a job")
        return self._folder / job


async def _receive(
    part: Path, chunks: AsyncIterator[bytes], tell: Callable[[int], None], room: int
) -> tuple[int, str]:
    """Write the bytes as they come and flush them; gives their number and SHA-256."""
    digest, size = hashlib.sha256(), 0
    with part.open("wb", buffering=0) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > room:
                raise RefusedError(f"cannot keep an artifact of more than {room} bytes")
            digest.update(chunk)
            await asyncio.to_thread(_write_all, file.fileno(), chunk)
            tell(size)
        await asyncio.to_thread(os.fsync, file.fileno())
    return size, digest.hexdigest()


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def harmless_path(path: str) -> str:
    """Turn what a server calls a file into a relative path that stays where it is put.

    Anything but letters, digits and `._+@,=-` is written `%XX`, two different names stay different, and nothing is left of
    `..` but dots that are only characters.
    """
    parts = [part for part in path.split("/") if part]
    harmless = "/".join(_harmless_part(part) for part in parts) or "%00"
    if len(harmless) <= PATH:
        return harmless
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest[:32]}-{PurePosixPath(harmless).name}"


def _harmless_part(part: str) -> str:
    if part in {".", ".."}:
        return "%2E" * len(part)
    plain = "".join(char if _PLAIN.fullmatch(char) else _percent(char) for char in part[: 4 * PART])
    if len(plain) <= PART and len(part) <= 4 * PART:
        return plain
    digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{plain[:PART]}-{digest[:16]}"


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
