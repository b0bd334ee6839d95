"""One bare mirror on disk: its lock, its quarantine, and how objects are promoted out of it.

Called by `mirrors` only, inside a thread; calls `git`. New objects arrive in a throw-away repository that borrows
those of the mirror. Only after every check their packs move over, so what was refused once is nowhere to be found by a
second fetch.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from controller.errors import RewoundError, SourceError
from controller.model.ids import Sha
from controller.source.git import Access, Answer, run_git
from controller.source.remote import HEADS, TAGS, Choice, unreachable
from controller.source.url import RemoteUrl
from controller.source.watch import Limits

SAFE: Final = re.compile(r"[^a-z0-9._-]")
FETCH: Final = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-show-forced-updates",
)
INCOMING: Final = "incoming-"
LOCK_TRIES: Final = 1_200
LOCK_TICK: Final = 0.1
MOST_PACKS: Final = 30
PACK_PARTS: Final = (".pack", ".rev", ".idx")  # git sees a pack once its index is there
WATCHED: Final = "refs/ctl/watched"
NOT_AN_ANCESTOR: Final = 1


class Mirror:
    """The mirror of one address of one repo; every method blocks."""

    def __init__(self, folder: Path, name: str, url: RemoteUrl, halt: threading.Event) -> None:
        mark = hashlib.sha256(url.text.encode()).hexdigest()[:12]
        self.path = folder / f"{SAFE.sub('_', name)}-{mark}.git"
        self.url = url
        self._folder = folder
        self._halt = halt

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes and threads out, and the mirror in being.

        Raises:
            SourceError: somebody else kept it for two minutes.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("ab") as file:
            self._wait_for(file.fileno())
            if not (self.path / "HEAD").exists():
                self._make(self.path)
            for leftover in self.path.glob(f"{INCOMING}*"):  # of a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)  # its git may still write there
            yield

    def has(self, sha: Sha) -> bool:
        """Say whether a commit with all its history is here."""
        return self._holds(self.path, sha)

    @contextmanager
    def fetched(self, choice: Choice, access: Access) -> Iterator[Path]:
        """Fetch a commit into a quarantine, give its path, and throw it away at the end.

        Raises:
            SourceError: the remote is out of reach, or sent what git or a bound refuses.
        """
        with tempfile.TemporaryDirectory(prefix=INCOMING, dir=self.path) as name:
            incoming = Path(name)
            self._make(incoming)
            (incoming / "objects" / "info" / "alternates").write_text(f"{self.path / 'objects'}\n")
            answer = self._fetch(incoming, [f"+{choice.ref}:{WATCHED}"], access)
            if answer.code != 0 and choice.ref == choice.sha:
                everything = [f"+{HEADS}*:refs/ctl/heads/*", f"+{TAGS}*:refs/ctl/tags/*"]
                answer = self._fetch(incoming, everything, access)
            if answer.code != 0:
                raise unreachable(self.url, answer)
            if not self._holds(incoming, choice.sha):
                raise SourceError(
                    f"cannot find commit {choice.sha} in {self.url.text}",
                    hint="the ref moved while it was fetched, or the commit is gone; try again",
                )
            yield incoming

    def promote(self, incoming: Path) -> None:
        """Move the packs of a quarantine into the mirror."""
        packs = self.path / "objects" / "pack"
        fresh = incoming / "objects" / "pack"
        for suffix in PACK_PARTS:
            for part in sorted(fresh.glob(f"pack-*{suffix}")):
                part.replace(packs / part.name)
        sync(packs)
        if len(list(packs.glob("*.pack"))) > MOST_PACKS:
            self._git(["repack", "-d", "--geometric=2", "--quiet"], self.path)

    def point(self, sha: Sha) -> None:
        """Remember the watched commit, so that the next fetch asks only for what is new."""
        answer = self._git(["update-ref", "--end-of-options", WATCHED, sha], self.path)
        if answer.code != 0:
            raise SourceError(
                f"cannot store commit {sha} in {self.path}: {answer.complaint.strip()}"
            )

    def must_descend(self, repo: str, old: Sha, new: Sha, place: Path) -> None:
        """Refuse rewritten history; `place` is the mirror or a quarantine.

        Raises:
            RewoundError: `new` does not descend from `old`.
        """
        if self._holds(place, old):
            answer = self._git(["merge-base", "--is-ancestor", old, new], place)
            if answer.code == 0:
                return
            if answer.code != NOT_AN_ANCESTOR:
                raise SourceError(f"cannot compare {old} with {new}: {answer.complaint.strip()}")
        raise RewoundError(
            f"cannot accept {new} of repo {repo}: it does not descend from {old}, accepted before",
            hint=f"ctl check repo {repo} --accept-rewind --reason TEXT",
        )

    def remove(self) -> None:
        """Delete the mirror from disk."""
        shutil.rmtree(self.path)

    def _wait_for(self, lock: int) -> None:
        for _ in range(LOCK_TRIES):
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._halt.wait(LOCK_TICK):
                    raise SourceError("cannot finish: it was interrupted") from None
        raise SourceError(
            f"cannot use the mirror {self.path}: another process holds it",
            hint="wait for the other command to end",
        )

    def _make(self, path: Path) -> None:
        answer = self._git(["init", "--quiet", "--bare", "--template=", str(path)], None)
        if answer.code != 0:
            raise SourceError(f"cannot make the mirror {path}: {answer.complaint.strip()}")
        (path / "objects" / "info").mkdir(exist_ok=True)
        path.chmod(0o700)

    def _fetch(self, incoming: Path, refs: list[str], access: Access) -> Answer:
        return run_git(
            [*FETCH, "--end-of-options", self.url.text, *refs],
            folder=incoming,
            bare=incoming,
            access=access,
            limits=Limits(grows=incoming),
            halt=self._halt,
        )

    def _holds(self, place: Path, sha: Sha) -> bool:
        return (
            self._git(["cat-file", "-e", "--end-of-options", f"{sha}^{{commit}}"], place).code == 0
        )

    def _git(self, arguments: list[str], bare: Path | None) -> Answer:
        return run_git(arguments, folder=bare or self._folder, bare=bare, halt=self._halt)


def sync(folder: Path) -> None:
    """Make the names in a folder as durable as what they name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
