"""Backups: one file that holds a whole state folder, and the way back.

Called by `reconcile.backups`; calls the disk. A backup is written whole or not at all, readable by its owner only, because the
database holds the keys with which secrets are compared. What can be fetched or made again (mirrors, parsed declarations) is left
out. Its last member, `backup.json`, names every file with length and SHA-256; nothing is restored that differs from it.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from controller.errors import StateError
from controller.journal.files import LogFiles
from controller.store.folder import sync_folder

FORMAT: Final = 1
PAPER: Final = "backup.json"
MOST_FILES: Final = 5_000_000
MOST_PAPER: Final = 1 << 30
"""Bytes of the list of files."""
PIECE: Final = 1 << 20
LOGS: Final = ("activity", "connectivity")
KEPT: Final = ("output", "artifacts", "archive")
"""Folders of the state that are copied, whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a backup."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What a backup says of itself: when and by which program it was made, and its files by path."""

    made_at: str
    version: str
    files: Mapping[str, Member]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file to be copied: so many of its bytes, or `data` instead."""

    path: str
    place: Path | None = None
    size: int | None = None
    data: bytes = b""


def pack(folder: Path, database: Path, goal: Path, *, made_at: str, version: str) -> Paper:
    """Write a backup of a state folder; others may go on writing in it. Blocks.

    Args:
        folder: the state folder.
        database: a copy of its database, which was made before.
        goal: the file to be made; it must not be there.
        made_at: when, ISO 8601.
        version: of this program.

    Raises:
        StateError: something cannot be read or written.
    """
    part = goal.with_name(f".{goal.name}.part")
    try:
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            files = _write(file, folder, database, made_at=made_at, version=version)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, goal)  # unlike a rename, never in place of another file
        part.unlink()
        sync_folder(goal.parent)
    except (OSError, tarfile.TarError) as error:
        with suppress(OSError):  # the first error says more
            part.unlink(missing_ok=True)
        said = (error.strerror if isinstance(error, OSError) else None) or error
        raise StateError(f"cannot write the backup {goal}: {said}") from error
    return Paper(made_at=made_at, version=version, files=files)


def unpack(backup: Path, folder: Path) -> Paper:
    """Write what a backup holds into an empty folder, and check every file of it. Blocks.

    Raises:
        StateError: it is no backup, is damaged, or is of a newer program.
    """
    try:
        with tarfile.open(backup, mode="r:gz") as tar:
            found = _extract(tar, folder)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise _unread(backup, error) from error
    raw = (folder / PAPER).read_bytes() if found.pop(PAPER, None) else None
    paper = _agreed(backup, found, raw)
    (folder / PAPER).unlink()
    return paper


def contents(backup: Path) -> Paper:
    """Read what a backup says of itself, and check every file of it. Blocks.

    Raises:
        StateError: it is no backup, is damaged, or is of a newer program.
    """
    found: dict[str, Member] = {}
    raw: bytes | None = None
    try:
        with tarfile.open(backup, mode="r:gz") as tar:
            for member, content in _members(tar, found):
                if member.name == PAPER:
                    raw = content.read()
                    continue
                reader = _Hashing(content)
                while reader.read(PIECE):
                    pass
                found[member.name] = Member(size=member.size, sha256=reader.digest.hexdigest())
    except (OSError, tarfile.TarError, EOFError) as error:
        raise _unread(backup, error) from error
    return _agreed(backup, found, raw)


def _agreed(backup: Path, found: Mapping[str, Member], raw: bytes | None) -> Paper:
    """See that the files of a backup are those that its paper names."""
    if raw is None:
        raise _damaged(backup, f"it has no {PAPER}")
    paper = _read_paper(backup, raw)
    if found != dict(paper.files):
        names = sorted(
            path
            for path in found.keys() | paper.files.keys()
            if found.get(path) != paper.files.get(path)
        )
        raise _damaged(backup, f"{names[0]} is not what was written")
    return paper


def _write(
    file: IO[bytes], folder: Path, database: Path, *, made_at: str, version: str
) -> dict[str, Member]:
    files: dict[str, Member] = {}
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for piece in _pieces(folder, database):
            with _content(piece) as (content, size):
                reader = _Hashing(content)
                tar.addfile(_member(piece.path, size), reader)
            files[piece.path] = Member(size=size, sha256=reader.digest.hexdigest())
        told = {
            "format": FORMAT,
            "made_at": made_at,
            "version": version,
            "files": {name: [one.size, one.sha256] for name, one in files.items()},
        }
        data = json.dumps(told, separators=(",", ":")).encode()
        tar.addfile(_member(PAPER, len(data)), io.BytesIO(data))
    return files


def _pieces(folder: Path, database: Path) -> Iterator[Piece]:
    """List what is copied. The database was copied before: logs and output may hold more than it knows, never less."""
    yield Piece(path="state.db", place=database)
    for name in LOGS:
        yield from _log(LogFiles(folder / "logs", name))
    for kind in KEPT:
        for path in sorted((folder / kind).rglob("*")):
            inside = path.relative_to(folder)
            hidden = any(word.startswith(".") for word in inside.parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                yield Piece(path=inside.as_posix(), place=path)


def _log(log: LogFiles) -> list[Piece]:
    """Take a log as it is between two lines; what is appended meanwhile comes with the next backup."""
    if not log.folder.is_dir():
        return []
    with log.turn() as descriptor:
        head = os.pread(descriptor, 1024, 0)
        lengths = [(path, path.stat().st_size) for _, path in log.years()]
    pieces = [Piece(path=f"logs/{path.name}", place=path, size=size) for path, size in lengths]
    return [*pieces, Piece(path=f"logs/{log.head.name}", data=head)] if pieces else []


@contextmanager
def _content(piece: Piece) -> Iterator[tuple[IO[bytes], int]]:
    if piece.place is None:
        yield io.BytesIO(piece.data), len(piece.data)
        return
    with piece.place.open("rb") as file:
        yield file, os.fstat(file.fileno()).st_size if piece.size is None else piece.size


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def _extract(tar: tarfile.TarFile, folder: Path) -> dict[str, Member]:
    """Write every member, and say what each is; anything but our own plain files is refused."""
    found: dict[str, Member] = {}
    for member, content in _members(tar, found):
        place = folder / member.name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        reader = _Hashing(content)
        with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            while piece := reader.read(PIECE):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        found[member.name] = Member(size=member.size, sha256=reader.digest.hexdigest())
    return found


def _members(
    tar: tarfile.TarFile, found: Mapping[str, Member]
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Give every member with its content; one that is no plain file of ours, or comes twice, is refused."""
    for member in tar:
        if len(found) >= MOST_FILES or not _is_ours(member) or member.name in found:
            raise tarfile.ReadError(f"{member.name[:100]!r} does not belong there")
        content = tar.extractfile(member)
        if content is None:
            raise tarfile.ReadError(f"{member.name!r} has no content")
        yield member, content


def _is_ours(member: tarfile.TarInfo) -> bool:
    """Say whether a member may be written below the state folder."""
    path = PurePosixPath(member.name)
    odd = path.is_absolute() or any(word in {"", ".", ".."} for word in member.name.split("/"))
    if not member.isreg() or odd or (member.name == PAPER and member.size > MOST_PAPER):
        return False
    if len(path.parts) == 1:
        return member.name in {"state.db", PAPER}
    return path.parts[0] in {"logs", *KEPT}


def _read_paper(backup: Path, data: bytes) -> Paper:
    try:
        told = json.loads(data)
        if told["format"] > FORMAT:
            raise StateError(
                f"cannot restore {backup}: a newer ctl ({told['version']}) wrote it",
                hint="upgrade ctl",
            )
        files = {
            str(name): Member(size=int(size), sha256=str(sha256))
            for name, (size, sha256) in told["files"].items()
        }
        return Paper(made_at=str(told["made_at"]), version=str(told["version"]), files=files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(backup, f"its {PAPER} cannot be read") from error


def _unread(backup: Path, error: Exception) -> StateError:
    """Say why a file gives nothing: one that cannot be opened is not damaged."""
    if isinstance(error, OSError) and error.strerror is not None:
        return StateError(
            f"cannot read {backup}: {error.strerror}", hint="name the file that ctl backup wrote"
        )
    return _damaged(backup, str(error))


def _damaged(backup: Path, why: str) -> StateError:
    return StateError(
        f"cannot restore {backup}: it is no backup, or damaged: {why}", hint="take another one"
    )


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info
