"""Archives: one file for each job that was put away, with its output and its artifacts, in `archive/<year>` of the state folder.

Called by `reconcile`; calls the disk. An archive is written whole or not at all and is read only when it is what was written. Inside, paths
are as in the state folder, so that what reads output and artifacts there reads them from an unpacked archive, too.
"""

import fcntl
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, StateError
from controller.model.ids import Digest, JobId
from controller.store.folder import sync_folder

FOLDER: Final = "archive"
KINDS: Final = ("output", "artifacts")
"""Folders of the state that hold something of each job."""
PIECE: Final = 1 << 20
_JOB: Final = re.compile(r"[0-9a-z]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArchive:
    """An archive as it was written; `path` is relative to the state folder where it lies in it."""

    path: str
    size: int
    sha256: Digest


class ArchiveFiles:
    """The archives of one state folder."""

    def __init__(self, folder: Path) -> None:
        self._state = folder
        self._folder = folder / FOLDER

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one who archives; blocks until nobody else does."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._folder / ".lock", flags, 0o600)
        except OSError as error:
            raise _cannot(f"use {self._folder}", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write(
        self, job: JobId, papers: Mapping[str, bytes], *, year: int, out: Path | None = None
    ) -> StoredArchive:
        """Write the archive of a job, in place of an earlier one; it is durable when this returns. Blocks.

        Args:
            job: whose output and artifacts go into it.
            papers: what else goes into it, by name.
            year: the folder of the archive.
            out: another folder, which must be there.

        Raises:
            StateError: the disk does not take it.
        """
        folder = self._folder / f"{year:04d}" if out is None else out.absolute()
        name = f"{_checked(job)}.tar.gz"
        part = folder / f".{name}.part"
        try:
            if out is None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(part, flags, 0o600), "w+b") as file:
                self._pack(job, papers, file)
                file.flush()
                os.fsync(file.fileno())
                size, sha256 = file.tell(), _sha256(file)
            part.replace(folder / name)
            for each in (folder, *((self._folder, self._state) if out is None else ())):
                sync_folder(each)
        except (OSError, tarfile.TarError) as error:
            with suppress(OSError):  # the first error says more
                part.unlink(missing_ok=True)
            raise _cannot(f"archive job {job} into {folder}", error) from error
        place = folder / name
        path = place.relative_to(self._state) if out is None else place
        return StoredArchive(path=str(path), size=size, sha256=sha256)

    def clear(self, job: JobId, archive: StoredArchive) -> None:
        """Delete what a job has outside of its archive, as long as that is there. Blocks.

        Raises:
            NotFoundError: the archive is not there.
            StateError: the disk does not let go of it.
        """
        if not (self._state / archive.path).is_file():
            raise _gone(archive)
        for kind in KINDS:
            try:
                shutil.rmtree(self._state / kind / _checked(job))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _cannot(f"delete the {kind} of job {job}", error) from error

    def drop(self, job: JobId, path: str | None) -> None:
        """Delete everything of a job: output, artifacts, and its archive where that lies in the state folder. Blocks.

        Raises:
            StateError: the disk does not let go of it.
        """
        places = [self._state / kind / _checked(job) for kind in KINDS]
        try:
            for place in places:
                if place.is_dir():
                    shutil.rmtree(place)
            if path is not None and not Path(path).is_absolute():
                (self._state / path).unlink(missing_ok=True)
        except OSError as error:
            raise _cannot(f"delete what is left of job {job}", error) from error

    @contextmanager
    def unpacked(self, archive: StoredArchive) -> Iterator[Path]:
        """Give a folder that holds what the state folder held of a job. Blocks while it is made.

        Raises:
            NotFoundError: the archive is not there any more.
            StateError: it is not what was written.
        """
        opened = self._folder / ".open"
        try:
            opened.mkdir(mode=0o700, parents=True, exist_ok=True)
            _drop_left(opened)
            with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=opened) as folder:
                self._unpack(archive, Path(folder))
                yield Path(folder)
        except (OSError, tarfile.TarError, EOFError) as error:
            raise _cannot(f"read the archive {archive.path}", error) from error

    def _pack(self, job: JobId, papers: Mapping[str, bytes], file: io.BufferedRandom) -> None:
        """Put papers, output and artifacts into one file."""
        with (
            GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, data in papers.items():
                tar.addfile(_member(name, len(data)), io.BytesIO(data))
            for kind in KINDS:
                folder = self._state / kind / job
                for path in sorted(each for each in folder.rglob("*") if _is_ours(each)):
                    with path.open("rb") as content:
                        size = os.fstat(content.fileno()).st_size
                        tar.addfile(_member(str(path.relative_to(self._state)), size), content)

    def _unpack(self, archive: StoredArchive, folder: Path) -> None:
        try:
            file = (self._state / archive.path).open("rb")
        except FileNotFoundError:
            raise _gone(archive) from None
        with file:
            if _sha256(file) != archive.sha256:
                raise StateError(
                    f"cannot read the archive {archive.path}: it is not what was written",
                    hint="put the right one back",
                )
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                tar.extractall(folder, filter="data")


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _sha256(file: io.BufferedIOBase) -> Digest:
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(PIECE):
        digest.update(piece)
    return Digest(digest.hexdigest())


def _drop_left(opened: Path) -> None:
    """Delete what processes left behind that were killed."""
    for folder in opened.iterdir():
        number = folder.name.partition("-")[0]
        if number.isdecimal() and not Path("/proc", number).exists():
            with suppress(OSError):  # the next one will
                shutil.rmtree(folder)


def _checked(job: JobId) -> str:
    if not _JOB.fullmatch(job):
        raise StateError(f"cannot archive {job!r}: it is not the id of a job")
    return job


def _gone(archive: StoredArchive) -> NotFoundError:
    return NotFoundError(f"cannot find the archive {archive.path}", hint="put it back where it was")


def _cannot(what: str, error: Exception) -> StateError:
    said = (error.strerror if isinstance(error, OSError) else None) or error
    return StateError(f"cannot {what}: {said}", hint="free some space, or check the disk")
