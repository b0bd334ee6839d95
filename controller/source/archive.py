"""The whole tree of one commit as a tar, for a checkout on a server.

Called by `mirrors`; calls `objects` and `git`. The tar is made from blobs: attributes of the repository (`export-ignore`,
`export-subst`) do nothing, and equal commits give equal bytes. What could leave the tree where it is unpacked is refused: links that
lead out of it, submodules, names that mislead.
"""

import asyncio
import io
import tarfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, SourceError
from controller.model.ids import Sha
from controller.model.tree import Entry
from controller.source.commits import read_revision
from controller.source.git import run_git
from controller.source.objects import (
    ODD_MODES,
    REGULAR,
    escaped,
    oddity,
    read_blobs,
    read_line,
    too_many,
)
from controller.source.watch import Limits

REVISION: Final = "REVISION"
"""The file in the root of every tree that holds its commit; one that the repo has itself gives way."""
LARGEST: Final = 256 << 20
"""Bytes of a tar."""
MOST_FILES: Final = 200_000
LISTING: Final = 64 << 20
"""Bytes of git's list of a tree."""
BATCH: Final = 32 << 20
"""Bytes of blobs that are read by one process, if there are several."""
KEPT: Final = 4
"""Tars that stay in memory; and no more than `LARGEST` bytes of them."""
LINK: Final = 0o120000
LONGEST_TARGET: Final = 1_024
MOST_TURNS: Final = 40
"""Links that one link may lead through, as in the kernel."""
BLOCK: Final = 512


class Archives:
    """The tars that were made last; one is made at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, Sha], bytes] = OrderedDict()
        self._turn = asyncio.Lock()

    async def get(self, bare: Path, sha: Sha, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Give the tar of a commit of a mirror, from memory or made now."""
        key = (bare, sha)
        async with self._turn:
            if key not in self._kept:
                self._kept[key] = await make()
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT or (len(self._kept) > 1 and self._size() > LARGEST):
                self._kept.popitem(last=False)
            return self._kept[key]

    def _size(self) -> int:
        return sum(map(len, self._kept.values()))


def read_archive(sha: Sha, *, folder: Path, bare: Path) -> bytes:
    """Make the tar of a commit; blocks.

    Raises:
        NotFoundError: the repository has no such commit.
        SourceError: something in it cannot be delivered, or it is larger than 256 MiB.
    """
    moment = read_revision(sha, branch="", folder=folder, bare=bare).committed_at
    entries = [entry for entry in _list(sha, folder, bare) if entry.path != REVISION]
    _check_places(entries)
    _check_size(entries)
    links = _targets([e for e in entries if e.mode == LINK], folder, bare)
    for path in links:
        _must_stay(path, links)
    tar = _Tar(int(moment.timestamp()))
    tar.file(REVISION, f"{sha}\n".encode(), executable=False)
    for path, target in links.items():
        tar.link(path, target)
    for batch in _batches([e for e in entries if e.mode != LINK]):
        blobs = read_blobs(batch, folder=folder, bare=bare, most=LARGEST)
        for entry in batch:
            tar.file(entry.path, blobs[entry.blob], executable=entry.mode == REGULAR[1])
    return tar.finish()


def _list(sha: Sha, folder: Path, bare: Path) -> list[Entry]:
    """List every file and link of a commit."""
    answer = run_git(
        ["ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", sha],
        folder=folder,
        bare=bare,
        limits=Limits(output=LISTING),
    )
    if answer.code != 0:
        raise NotFoundError(f"cannot find the files of commit {sha}")
    lines = answer.output.split(b"\0")[:-1]
    if len(lines) > MOST_FILES:
        raise too_many(len(lines), MOST_FILES)
    return [_entry(line) for line in lines]


def _entry(line: bytes) -> Entry:
    """Read a line of git's list; what cannot be delivered is refused."""
    mode, blob, size, name = read_line(line)
    try:
        path = name.decode()
    except UnicodeDecodeError:
        raise _refused(escaped(name), "its name is not UTF-8") from None
    odd_mode = None if mode in {*REGULAR, LINK} else ODD_MODES.get(mode, "an odd mode")
    reason = odd_mode or oddity(path)
    if reason is not None:
        raise _refused(escaped(path), reason)
    return Entry(path=path, blob=blob, mode=mode, size=size)


def _check_places(entries: Sequence[Entry]) -> None:
    """Refuse a tree in which something lies below what is no folder, or lies there twice."""
    paths = [entry.path for entry in entries]
    taken = {*paths, REVISION}
    for path in paths:
        parts = path.split("/")[:-1]
        above = ("/".join(parts[: count + 1]) for count in range(len(parts)))
        if any(each in taken for each in above):
            raise _refused(escaped(path), "it lies below a file")
    if len(taken) != len(paths) + 1:
        raise _refused(escaped(next(p for p in paths if paths.count(p) > 1)), "it is there twice")


def _check_size(entries: Sequence[Entry]) -> None:
    """Refuse early what would make too large a tar."""
    total = sum(entry.size + BLOCK for entry in entries)
    if total > LARGEST:
        raise _too_large(total)


def _targets(entries: Sequence[Entry], folder: Path, bare: Path) -> dict[str, str]:
    """Read where links lead."""
    long = next((entry for entry in entries if entry.size > LONGEST_TARGET), None)
    if long is not None:
        raise _refused(escaped(long.path), "it is a link with too long a target")
    blobs = read_blobs(entries, folder=folder, bare=bare)
    targets: dict[str, str] = {}
    for entry in entries:
        try:
            target = blobs[entry.blob].decode()
        except UnicodeDecodeError:
            target = ""
        if not target or not target.isprintable():
            raise _refused(escaped(entry.path), "it is a link with an odd target")
        targets[entry.path] = target
    return targets


def _must_stay(path: str, links: Mapping[str, str]) -> None:
    """Follow a link as the kernel would, over all links of the tree; it must never leave the tree.

    Raises:
        SourceError: it leads out of the tree, or in a circle.
    """
    here: list[str] = []
    ahead = path.split("/")[::-1]
    turns = 0
    while ahead:
        part = ahead.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not here:
                raise _refused(escaped(path), "it is a link that leads out of the tree")
            here.pop()
            continue
        target = links.get("/".join([*here, part]))
        if target is None:
            here.append(part)
            continue
        turns += 1
        if target.startswith("/") or turns > MOST_TURNS:
            way = "in a circle" if turns > MOST_TURNS else "out of the tree"
            raise _refused(escaped(path), f"it is a link that leads {way}")
        ahead += target.split("/")[::-1]


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Cut files into batches that fit into memory beside the tar."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and size + entry.size > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


class _Tar:
    """A tar that grows: nothing but names, contents, the executable bit and one moment."""

    def __init__(self, moment: int) -> None:
        self._bytes = io.BytesIO()
        self._moment = max(0, moment)

    def file(self, path: str, data: bytes, *, executable: bool) -> None:
        """Add a file."""
        head = self._head(path)
        head.size, head.mode = len(data), 0o755 if executable else 0o644
        self._add(head, data)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        head = self._head(path)
        head.type, head.linkname, head.mode = tarfile.SYMTYPE, target, 0o777
        self._add(head, b"")

    def finish(self) -> bytes:
        """Close the tar."""
        self._bytes.write(bytes(2 * BLOCK))
        return self._bytes.getvalue()

    def _head(self, path: str) -> tarfile.TarInfo:
        head = tarfile.TarInfo(path)
        head.mtime = self._moment
        return head

    def _add(self, head: tarfile.TarInfo, data: bytes) -> None:
        try:
            block = head.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
        except ValueError:  # too long for POSIX; every tar knows how GNU writes long names
            block = head.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
        self._bytes.write(block)
        self._bytes.write(data)
        self._bytes.write(bytes(-len(data) % BLOCK))
        if self._bytes.tell() + 2 * BLOCK > LARGEST:
            raise _too_large(self._bytes.tell())


def _refused(path: str, reason: str) -> SourceError:
    return SourceError(
        f"cannot deliver {path}: {reason}", hint="take it out of the repo, or do without checkout"
    )


def _too_large(size: int) -> SourceError:
    return SourceError(
        f"cannot deliver a tree of {-(-size >> 20)} MiB: the bound is {LARGEST >> 20} MiB",
        hint="keep large files elsewhere, and fetch them in a step",
    )
