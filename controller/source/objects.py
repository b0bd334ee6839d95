"""The files of one commit, read by id from git's objects; nothing is ever checked out.

Called by `mirrors` and `config`; calls `git`. Symlinks, submodules and names that could mislead are not part of a tree; they
are listed in `refused`, escaped, with the reason.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, SourceError
from controller.model.ids import Sha
from controller.model.tree import Entry
from controller.source.git import run_git
from controller.source.watch import Limits

REGULAR: Final = (0o100644, 0o100755)
ODD_MODES: Final = {0o120000: "a symlink", 0o160000: "a submodule"}
MOST_FILES: Final = 20_000
MOST_WATCHED: Final = 200_000
MOST_BYTES: Final = 64 << 20
WATCHING_MEMORY: Final = 768 << 20
LONGEST_NAME: Final = 1_024
LINE: Final = re.compile(rb"(\d{6}) \w+ ([0-9a-f]+) +(\d+|-)\t(.+)", re.DOTALL)
DIFFERENCE: Final = re.compile(rb":\d{6} (\d{6}) [0-9a-f]+ ([0-9a-f]+) \w+")
DIFF_TREE: Final = (
    "diff-tree",
    "-r",
    "-z",
    "--raw",
    "--no-renames",
    "--no-abbrev",
    "--end-of-options",
)
EMPTY_TREES: Final = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTree:
    """The files of one commit."""

    entries: Mapping[str, Entry]
    refused: Mapping[str, str]
    folder: Path = field(repr=False)
    bare: Path | None = field(default=None, repr=False)

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Read many files at once, by one process.

        Raises:
            NotFoundError: a path is not in `entries`.
            SourceError: they are larger than 64 MiB together.
        """
        wanted = {path: entry_of(self.entries, path) for path in paths}
        blobs = read_blobs(wanted.values(), folder=self.folder, bare=self.bare)
        return {path: blobs[entry.blob] for path, entry in wanted.items()}


def entry_of(entries: Mapping[str, Entry], path: str) -> Entry:
    """Find a file of a tree.

    Raises:
        NotFoundError: there is none.
    """
    entry = entries.get(path)
    if entry is None:
        raise NotFoundError(f"cannot find file {escaped(path)} in the tree")
    return entry


def read_tree(sha: Sha, *, folder: Path, bare: Path | None = None, prefix: str = "") -> CommitTree:
    """List the files of a commit below `prefix` (empty, or ending in a slash); blocks.

    Raises:
        NotFoundError: the repository has no such commit or folder.
        SourceError: there are more than 20,000 files.
    """
    answer = run_git(
        ["ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", f"{sha}:{prefix}"],
        folder=folder,
        bare=bare,
    )
    if answer.code != 0:
        raise NotFoundError(f"cannot find the files of commit {sha}")
    lines = answer.output.split(b"\0")[:-1]
    if len(lines) > MOST_FILES:
        raise too_many(len(lines))
    entries: dict[str, Entry] = {}
    refused: dict[str, str] = {}
    for line in lines:
        _add(line, entries, refused)
    return CommitTree(
        entries=dict(sorted(entries.items())), refused=refused, folder=folder, bare=bare
    )


def read_watched(sha: Sha, paths: Iterable[str], *, folder: Path, bare: Path) -> tuple[Entry, ...]:
    """List what git's `:(glob)` patterns pick from a commit, symlinks and submodules included; blocks.

    Names that are not UTF-8 keep their bytes as surrogates; sizes are not asked for and are 0.

    Raises:
        SourceError: there is no such commit, a pattern is refused, or too many files are picked.
    """
    patterns = [f":(top,glob){path}" for path in paths]
    answer = run_git(
        [*DIFF_TREE, EMPTY_TREES[len(sha)], sha, "--", *patterns],
        folder=folder,
        bare=bare,
        limits=Limits(output=MOST_BYTES, memory=WATCHING_MEMORY),
    )
    if "out of memory" in answer.complaint:  # git lists all of a difference before it says any
        raise too_many(f"more than {MOST_WATCHED}", MOST_WATCHED)
    if answer.code != 0:
        raise SourceError(
            f"cannot list the watched files of {sha}: {answer.complaint.strip()[:300]}"
        )
    words = answer.output.split(b"\0")[:-1]
    if len(words) > 2 * MOST_WATCHED:
        raise too_many(len(words) // 2, MOST_WATCHED)
    picked = zip(words[::2], words[1::2], strict=True)
    return tuple(_watched(difference, name) for difference, name in picked)


def read_blobs(
    entries: Iterable[Entry], *, folder: Path, bare: Path | None = None, most: int = MOST_BYTES
) -> Mapping[str, bytes]:
    """Read blobs by id, each once; blocks.

    Raises:
        SourceError: they are larger than `most` bytes together, or one is missing.
    """
    sizes = {entry.blob: entry.size for entry in entries}
    total = sum(sizes.values())
    if total > most:
        raise SourceError(
            f"cannot read {total >> 20} MiB of files at once: the bound is {most >> 20} MiB"
        )
    if not sizes:
        return {}
    answer = run_git(
        ["cat-file", "--batch"],
        folder=folder,
        bare=bare,
        limits=Limits(output=total + 128 * len(sizes)),
        stdin="".join(f"{blob}\n" for blob in sizes).encode(),
    )
    return _split(answer.output, sizes)


def escaped(path: str | bytes) -> str:
    """Show a path that may hold anything on one line of ASCII."""
    text = path.decode(errors="backslashreplace") if isinstance(path, bytes) else path
    return ascii(text)[1:-1][:LONGEST_NAME]


def oddity(path: str) -> str | None:
    """Say why a path is not taken into a tree, None when it is."""
    parts = path.split("/")
    if len(path) > LONGEST_NAME or any(part in {"", ".", ".."} for part in parts):
        return "its path leads elsewhere or is too long"
    if any(part.rstrip(". ").lower() in {".git", "git~1"} for part in parts):
        return "it is named like git's own folder"
    if "\\" in path or not path.isprintable():
        return "its name holds control or invisible characters"
    if unicodedata.normalize("NFC", path) != path:
        return "its name is not in normal form (NFC)"
    return None


def refusal(path: str, mode: int) -> str | None:
    """Say why an entry of git is not taken into a tree, None when it is."""
    if mode not in REGULAR:
        return ODD_MODES.get(mode, "an odd mode")
    return oddity(path)


def too_many(count: int | str, most: int = MOST_FILES) -> SourceError:
    """Refuse a tree for its number of files."""
    return SourceError(f"cannot read a tree of {count} files: the bound is {most}")


def read_line(line: bytes) -> tuple[int, str, int, bytes]:
    """Read a line of `git ls-tree -l`: mode, object, size in bytes (0 of what is no file) and name.

    Raises:
        SourceError: it is none.
    """
    found = LINE.fullmatch(line)
    if found is None:
        raise SourceError(f"cannot read the line {escaped(line[:200])} of git ls-tree")
    mode, blob, size, name = found.groups()
    return int(mode, 8), blob.decode(), 0 if size == b"-" else int(size), name


def _add(line: bytes, entries: dict[str, Entry], refused: dict[str, str]) -> None:
    mode, blob, size, name = read_line(line)
    try:
        path = name.decode()
    except UnicodeDecodeError:
        refused[escaped(name)] = "its name is not UTF-8"
        return
    reason = refusal(path, mode)
    if reason is None:
        entries[path] = Entry(path=path, blob=blob, mode=mode, size=size)
    else:
        refused[escaped(path)] = reason


def _watched(difference: bytes, name: bytes) -> Entry:
    found = DIFFERENCE.fullmatch(difference)
    if found is None:
        raise SourceError(f"cannot read the line {escaped(difference[:200])} of git diff-tree")
    return Entry(
        path=name.decode(errors="surrogateescape"),
        blob=found[2].decode(),
        mode=int(found[1], 8),
        size=0,
    )


def _split(output: bytes, sizes: Mapping[str, int]) -> Mapping[str, bytes]:
    blobs: dict[str, bytes] = {}
    at = 0
    for blob, size in sizes.items():
        head = f"{blob} blob {size}\n".encode()
        start = at + len(head)
        if output[at:start] != head or output[start + size : start + size + 1] != b"\n":
            raise SourceError(f"cannot read object {blob}: git does not give it")
        blobs[blob] = output[start : start + size]
        at = start + size + 1
    return blobs
