"""The config repository of a serving controller: one branch, by its address, of which one accepted commit is in force.

Made by `service`; `reconcile` calls it. Calls the mirror and what judges a look at it, as for any watched repo. What a look finds is not in
force before `accept`, which is durable; until then everything is read from the commit before. Whoever may sign the next
commit is said by the controller's own flags, or else by the commit in force, never by the next commit itself.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, RewoundError, VerificationError
from controller.model.declaration import Repo
from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.model.revision import Revision, Written
from controller.model.tree import Tree
from controller.source import lineage
from controller.source.access import Credentials, access_to
from controller.source.blame import blame_lines, last_mentions
from controller.source.commits import read_revision
from controller.source.config import no_commit, none_before
from controller.source.connections import Connections
from controller.source.inforce import REF, InForce
from controller.source.mirror import Mirror
from controller.source.objects import CommitTree, read_tree
from controller.source.remote import ask
from controller.source.threads import in_thread
from controller.source.url import parse
from controller.source.visit import Visit

NAME: Final = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look found. `news`: it is another commit than the one in force, and waits for `accept`."""

    revision: Revision
    news: bool


class TrackedConfig:
    """One branch of one repository, mirrored below a folder; nothing is in force before the first `accept`.

    Args:
        url: an address, or the path of a repository on this machine, whose work tree is never touched.
        branch: what is followed.
        folder: where the mirror is kept.
        credentials: reads what opens the remote, at each look anew.
        signers: reads the signers that the controller itself was given, None without any.
        trust: says which file of a tree names the signers of what comes after it, None where it wants no signatures.
        kept: ssh connections that outlive a look.

    Raises:
        SourceError: the address is refused.
    """

    in_git: Final = True

    def __init__(
        self,
        *,
        url: str,
        branch: str,
        folder: Path,
        credentials: Callable[[], Credentials] = Credentials,
        signers: Callable[[], bytes] | None = None,
        trust: Callable[[Tree], str | None] = lambda _: None,
        kept: Connections | None = None,
    ) -> None:
        self._repo = Repo(name=NAME, url=url, ref=branch)
        self._url = parse(url)
        self._folder = folder
        self._credentials = credentials
        self._signers = signers
        self._trust = trust
        self._kept = kept
        self._trusted: tuple[Sha, bytes | None] | None = None
        self._head: Revision | None = None
        self.root = self._mirror(threading.Event()).path
        self._force = InForce(self.root)

    async def look(self, *, accept_rewind: bool = False) -> Found:
        """Ask the remote, fetch what is new, and judge it; what is in force stays so.

        Args:
            accept_rewind: a person accepts, for a reason that the caller wrote down, that history was rewritten.

        Raises:
            RewoundError: the branch does not descend from the commit in force.
            VerificationError: a commit is not signed as wanted.
            SourceError: the remote is out of reach, or has no such branch.
        """
        return await in_thread(lambda halt: self._look(halt, accept_rewind=accept_rewind))

    async def accept(self, sha: Sha) -> None:
        """Put a commit in force that a look let in.

        Raises:
            NotFoundError: no look did.
            SourceError: the disk refuses.
        """
        await in_thread(lambda halt: self._accept(sha, halt))

    async def begin_at(self, sha: Sha) -> None:
        """Put in force what a state remembers, where the mirror was lost or is another machine's; else do nothing.

        So the next look is judged by the commit that was accepted, and not as if it were the first.

        Raises:
            RewoundError: the branch does not hold that commit.
            SourceError: the remote is out of reach.
        """
        if self._force.read() is not None:
            return
        await self.look()
        try:
            await self.accept(sha)
        except NotFoundError:
            raise RewoundError(
                f"cannot go on from commit {sha} of {self._url.text}: branch {self._repo.ref} does not hold it",
                hint="push a branch that holds it, or accept the rewind",
            ) from None

    def head(self) -> Revision | None:
        """Read the commit in force; None before the first one.

        Raises:
            SourceError: the mirror is damaged.
        """
        sha = self._force.read()
        if sha is None:
            return None
        if self._head is None or self._head.sha != sha:
            self._head = self.revision(sha)
        return self._head

    def revision(self, sha: Sha) -> Revision:
        """Read one commit that was part of the branch.

        Raises:
            NotFoundError: there is no such commit.
        """
        self._must_be_there()
        return read_revision(sha, branch=self._repo.ref, folder=self.root, bare=self.root)

    def resolve(self, rev: str) -> Sha:
        """Find the commit a person's word means: its id or the beginning of it, HEAD or the branch (what is in force), with ~1 or ^.

        Raises:
            NotFoundError: it means none.
        """
        found = None
        if self._is_there():
            found = lineage.find_commit(
                rev, ref=self._repo.ref, bare=self.root, folder=self.root, tip=REF
            )
        if found is None:
            raise no_commit(rev)
        return found

    def as_of(self, moment: datetime) -> Sha:
        """Find the newest commit that was there at a moment.

        Raises:
            NotFoundError: there was none yet.
        """
        found = None
        if self._force.read() is not None:
            found = lineage.commit_at(moment, tip=REF, folder=self.root, bare=self.root)
        if found is None:
            raise none_before(moment, Path(self._url.text))
        return found

    def dirty(self) -> tuple[str, ...]:
        """Say that there is nothing which is not committed."""
        return ()

    def tree(self, sha: Sha) -> CommitTree:
        """List the files of a commit that was part of the branch.

        Raises:
            NotFoundError: there is no such commit.
            SourceError: there are more than 20,000 files.
        """
        self._must_be_there()
        return read_tree(sha, folder=self.root, bare=self.root)

    def work_tree(self) -> CommitTree:
        """List the files of the commit in force.

        Raises:
            NotFoundError: there is none yet.
        """
        sha = self._force.read()
        if sha is None:
            raise self._nothing()
        return self.tree(sha)

    def blame(self, places: Iterable[Place], sha: Sha | None) -> Mapping[Place, Written]:
        """Find who wrote lines, as of a commit or (None) of the one in force."""
        at = sha or self._force.read()
        return {} if at is None else blame_lines(places, at, folder=self.root, bare=self.root)

    def last_mentions(self, names: Iterable[str], sha: Sha) -> Mapping[str, Written]:
        """Find the commit that last added or removed a key of a name, as of a commit."""
        return last_mentions(names, sha, folder=self.root, bare=self.root)

    def _look(self, halt: threading.Event, *, accept_rewind: bool) -> Found:
        mirror = self._mirror(halt)
        credentials = self._credentials()
        with (
            mirror.locked(),
            access_to(self._url, credentials, mirror.path, kept=self._kept) as access,
        ):
            offer = ask(self._url, tags=False, folder=mirror.path, access=access, halt=halt)
            now = self._force.read()
            moved = offer.branches.get(self._repo.ref) != now
            accepted = None if accept_rewind else now
            visit = Visit(self._repo, mirror, accepted, self._judges(now, moved=moved), halt)
            try:
                seen = visit.judge(offer, access)
            except RewoundError as error:
                error.hint = f"push a commit that descends from {now}, or accept the rewind"
                raise
        return Found(revision=seen.revision, news=moved)

    def _judges(self, now: Sha | None, *, moved: bool) -> bytes | None:
        """Give the signers whom the next commit needs.

        The commit in force is not judged by the signers that it names itself: it may be the very one that replaced them.

        Raises:
            VerificationError: the commit in force names a file that it does not hold.
        """
        if self._signers is not None:
            return self._signers()
        if now is None or not moved:
            return None
        if self._trusted is None or self._trusted[0] != now:
            self._trusted = (now, self._trusted_by(now))
        return self._trusted[1]

    def _trusted_by(self, now: Sha) -> bytes | None:
        tree = self.tree(now)
        path = self._trust(tree)
        if path is None:
            return None
        if path not in tree.entries:
            raise VerificationError(
                f"cannot verify the config repository: commit {now[:7]} has no file {path}",
                hint="ctl serve --config-verify FILE",
            )
        return tree.read([path])[path]

    def _accept(self, sha: Sha, halt: threading.Event) -> None:
        with self._mirror(halt).locked():
            self._force.move(sha, halt)

    def _mirror(self, halt: threading.Event) -> Mirror:
        return Mirror(self._folder, NAME, self._url, halt)

    def _is_there(self) -> bool:
        return self.root.is_dir()

    def _must_be_there(self) -> None:
        if not self._is_there():
            raise self._nothing()

    def _nothing(self) -> NotFoundError:
        return NotFoundError(
            f"no commit of {self._url.text} is in force yet", hint="ctl logs activity tells why"
        )
