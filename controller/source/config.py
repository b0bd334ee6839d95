"""The config repository in a person's work tree.

The faces and `reconcile` call it; it calls `git`, `objects`, `worktree`, `commits` and `blame`. A folder that is no git
repository, or has no commit yet, can be read too: it has no head and is always dirty. Every method blocks for some
tens of milliseconds; call it in a thread where others wait.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, SourceError
from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.model.revision import Revision, Written
from controller.model.tree import Entry
from controller.source.blame import blame_lines, last_mentions
from controller.source.commits import read_revision
from controller.source.git import Answer, run_git
from controller.source.lineage import commit_at
from controller.source.objects import (
    MOST_BYTES,
    MOST_FILES,
    CommitTree,
    escaped,
    read_tree,
    refusal,
    too_many,
)
from controller.source.place import MARK
from controller.source.remote import SHA
from controller.source.watch import Limits
from controller.source.worktree import SKIPPED, DiskReader, WorkTree, walk

LONGEST_REV: Final = 300
STATUS: Final = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"]
NO_REPOSITORY: Final = "not a git repository"
FOREIGN: Final = "dubious ownership"


class ConfigRepo:
    """The folder with `ctl.yaml`; it may be a git repository, a folder in one, or neither."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._place: tuple[str, str] | None = None

    @property
    def in_git(self) -> bool:
        """Whether git knows this folder."""
        return self._prefix is not None

    def head(self) -> Revision | None:
        """Read the checked-out commit; None without git or before the first commit."""
        sha = self._sha()
        return None if sha is None else self.revision(sha)

    def revision(self, sha: Sha) -> Revision:
        """Read one commit.

        Raises:
            NotFoundError: there is no such commit.
        """
        branch = self._git(["symbolic-ref", "--quiet", "--short", "HEAD"])
        name = branch.output.decode(errors="replace").strip()
        return read_revision(sha, branch=name, folder=self.root)

    def resolve(self, rev: str) -> Sha:
        """Find the commit that a person's word means: a branch, a tag, an id, HEAD~1.

        Raises:
            NotFoundError: it means none.
        """
        usable = 0 < len(rev) <= LONGEST_REV and rev.isprintable() and not rev.startswith("-")
        if usable and self.in_git:
            arguments = [
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{rev}^{{commit}}",
            ]
            found = self._git(arguments).output.decode(errors="replace").strip()
            if SHA.fullmatch(found):
                return Sha(found)
        raise no_commit(rev)

    def as_of(self, moment: datetime) -> Sha:
        """Find the newest commit that was there at a moment: on the first parents of the head, by the committer's time.

        Raises:
            NotFoundError: there was none yet.
        """
        if self._sha() is not None:
            found = commit_at(moment, tip="HEAD", folder=self.root)
            if found is not None:
                return found
        raise none_before(moment, self.root)

    def dirty(self) -> tuple[str, ...]:
        """Name every file that differs from the head, escaped; `.` alone where there is no commit."""
        if self._sha() is None:
            return (".",)
        return tuple(sorted(escaped(path) for path in self._changed()))

    def tree(self, sha: Sha) -> CommitTree:
        """List the files of a commit.

        Raises:
            NotFoundError: there is no such commit, or it has no such folder.
        """
        return read_tree(sha, folder=self.root, prefix=self._prefix or "")

    def work_tree(self) -> WorkTree:
        """Read the folder as it is on disk: what git ignores is left out, what is not committed is not.

        Raises:
            SourceError: it holds more, or larger, files than a tree may.
        """
        if not self.in_git:
            disk = DiskReader(self.root)
            for path in walk(self.root):
                disk.take(path)
            return self._assemble({}, {}, disk)
        changed = self._changed()
        entries, refused = self._indexed(skip=changed)
        digits = len(next(iter(entries.values())).blob) if entries else 40
        disk = DiskReader(self.root, digits=digits)
        for path in changed:
            disk.take(path)
        return self._assemble(entries, refused, disk)

    def blame(self, places: Iterable[Place], sha: Sha | None) -> Mapping[Place, Written]:
        """Find who wrote lines, as of a commit or (None) of the disk; one git call a file.

        Lines that are not committed, or not there, are left out.
        """
        return blame_lines(places, sha, folder=self.root) if self.in_git else {}

    def last_mentions(self, names: Iterable[str], sha: Sha) -> Mapping[str, Written]:
        """Find the commit that last added or removed a key of a name, as of a commit."""
        return last_mentions(names, sha, folder=self.root) if self.in_git else {}

    def _sha(self) -> Sha | None:
        if not self.in_git:
            return None
        answer = self._git(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        return Sha(answer.output.decode().strip()) if answer.code == 0 else None

    @property
    def _prefix(self) -> str | None:
        """The path from git's top folder to ours: empty, or ending in a slash; None without git."""
        if self._place is None:
            self._place = self._locate()
        known, prefix = self._place
        return prefix if known else None

    def _locate(self) -> tuple[str, str]:
        answer = self._git(["rev-parse", "--is-inside-work-tree", "--show-prefix"])
        if answer.code == 0 and answer.output.startswith(b"true\n"):
            prefix = os_path(answer.output).split("\n")[1]
            return ("", "") if prefix and self._is_ignored() else ("git", prefix)
        if FOREIGN in answer.complaint:
            raise SourceError(
                f"cannot read {self.root}: the git repository belongs to another user",
                hint="run ctl as the owner of the folder, or chown it",
            )
        if answer.code == 0 or NO_REPOSITORY in answer.complaint:
            return "", ""
        raise SourceError(f"cannot read {self.root}: {answer.complaint.strip()[:300]}")

    def _is_ignored(self) -> bool:
        """Whether a repository further up leaves our folder out, so that it does not hold it at all."""
        return self._git(["check-ignore", "--quiet", "--", MARK]).code == 0

    def _changed(self) -> list[str]:
        answer = self._checked([*STATUS, "--", "."])
        prefix = self._prefix or ""
        paths = [os_path(line[3:]) for line in answer.output.split(b"\0")[:-1]]
        below = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
        return [path for path in below if path.split("/")[0] not in SKIPPED]

    def _indexed(self, *, skip: Iterable[str]) -> tuple[dict[str, Entry], dict[str, str]]:
        answer = self._checked(["ls-files", "-z", "--stage", "--", "."])
        lines = answer.output.split(b"\0")[:-1]
        if len(lines) > MOST_FILES:
            raise too_many(len(lines))
        left_out = set(skip)
        found: dict[str, tuple[int, str]] = {}
        refused: dict[str, str] = {}
        for line in lines:
            head, _, name = line.partition(b"\t")
            path = os_path(name)
            mode, blob, _ = head.decode().split()
            number = int(mode, 8)
            reason = refusal(path, number)
            if reason is not None:
                refused[escaped(path)] = reason
            elif path not in left_out:
                found[path] = (number, blob)
        return self._sized(found), refused

    def _sized(self, found: Mapping[str, tuple[int, str]]) -> dict[str, Entry]:
        answer = self._git(
            ["cat-file", "--batch-check=%(objectsize)"],
            stdin="".join(f"{blob}\n" for _, blob in found.values()).encode(),
        )
        sizes = answer.lines()
        if len(sizes) != len(found) or not all(size.isdigit() for size in sizes):
            raise SourceError(f"cannot read the objects of {self.root}", hint="git fsck")
        return {
            path: Entry(path=path, blob=blob, mode=mode, size=int(size))
            for (path, (mode, blob)), size in zip(found.items(), sizes, strict=True)
        }

    def _assemble(
        self, entries: Mapping[str, Entry], refused: Mapping[str, str], disk: DiskReader
    ) -> WorkTree:
        together = {**entries, **disk.entries}
        return WorkTree(
            entries=dict(sorted(together.items())),
            refused={**refused, **disk.refused},
            folder=self.root,
            held=disk.held,
        )

    def _checked(self, arguments: list[str]) -> Answer:
        answer = self._git(arguments)
        if answer.code != 0:
            raise SourceError(f"cannot read {self.root}: {answer.complaint.strip()[:300]}")
        return answer

    def _git(self, arguments: list[str], *, stdin: bytes = b"") -> Answer:
        return run_git(arguments, folder=self.root, stdin=stdin, limits=Limits(output=MOST_BYTES))


def none_before(moment: datetime, place: Path) -> NotFoundError:
    """Say that a config repository had no commit yet."""
    return NotFoundError(
        f"cannot find a commit of {place} from before {moment:%Y-%m-%d %H:%M:%S} UTC",
        hint="git log --format='%h %ci %s' shows what there is",
    )


def no_commit(rev: str) -> NotFoundError:
    """Say that a person's word means no commit of a config repository."""
    return NotFoundError(
        f"cannot find commit {escaped(rev)!r}", hint="git log --oneline shows what there is"
    )


def os_path(name: bytes) -> str:
    """Decode a path as the file system does; bytes that are not UTF-8 become surrogates, which `oddity` refuses."""
    return name.decode(errors="surrogateescape")
