"""The watched repositories, as bare mirrors below one folder.

`reconcile` and `ctl check repo` call it; it calls the other files of this room. An idle look is one `git ls-remote`.
Everything that waits for git waits in a thread; a cancelled call ends its git.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.errors import NotFoundError, RefusedError, SourceError
from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.model.revision import Revision
from controller.model.tree import Entry
from controller.source import lineage
from controller.source.access import Credentials, access_to
from controller.source.archive import Archives, read_archive
from controller.source.commits import read_revision
from controller.source.connections import Connections
from controller.source.mirror import Mirror
from controller.source.objects import CommitTree, escaped, read_tree, read_watched
from controller.source.remote import ask
from controller.source.signatures import verify
from controller.source.threads import in_thread
from controller.source.url import RemoteUrl, parse
from controller.source.visit import Look, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `ctl check repo` shows: a look, or why there is none (its `reference` names the kind)."""

    repo: Repo
    accepted: Sha | None
    look: Look | None = None
    error: SourceError | None = None


class Mirrors:
    """Bare mirrors in `folder`, one for each repo and address; made when first needed.

    `files`: repos may lie on this machine. `kept`: ssh connections that outlive a look, None where none does.
    """

    def __init__(
        self, folder: Path, *, files: bool = True, kept: Connections | None = None
    ) -> None:
        self._folder = folder
        self._files = files
        self._kept = kept
        self._archives = Archives()

    async def look(
        self,
        repo: Repo,
        credentials: Credentials,
        *,
        accepted: Sha | None,
        signers: bytes | None,
    ) -> Look:
        """Find the commit a repo watches, fetch it if it is new, and judge it.

        Args:
            repo: what to watch.
            credentials: what opens the remote.
            accepted: the last commit that was accepted; the new one must descend from it, unless the declaration
                itself names the commit (`ref:`).
            signers: the bytes of the file that `verify:` names.

        Raises:
            RewoundError: the history that was accepted is gone.
            VerificationError: a commit is not signed as declared.
            SourceError: the remote is out of reach, or has no such ref.
        """
        url = self._url(repo)

        def work(halt: threading.Event) -> Look:
            mirror = Mirror(self._folder, repo.name, url, halt)
            with (
                mirror.locked(),
                access_to(url, credentials, mirror.path, kept=self._kept) as access,
            ):
                tags = repo.kind is RefKind.TAG
                offer = ask(url, tags=tags, folder=mirror.path, access=access, halt=halt)
                return Visit(repo, mirror, accepted, signers, halt).judge(offer, access)

        return await in_thread(work)

    async def tree(self, repo: Repo, sha: Sha) -> CommitTree:
        """List the files of a commit that was looked at.

        Raises:
            NotFoundError: the mirror has no such commit.
            SourceError: there are more than 20,000 files.
        """
        path = self._path(repo)
        return await in_thread(lambda halt: read_tree(sha, folder=self._folder, bare=path))

    async def watched(self, repo: Repo, sha: Sha, paths: Iterable[str]) -> tuple[Entry, ...] | None:
        """List the files that `paths:` picks at a commit; None without paths: then the commit itself counts.

        Raises:
            SourceError: there is no such commit, or a pattern is refused.
        """
        patterns = tuple(paths)
        if not patterns:
            return None
        path = self._path(repo)
        return await in_thread(
            lambda halt: read_watched(sha, patterns, folder=self._folder, bare=path)
        )

    async def archive(self, repo: Repo, sha: Sha) -> bytes:
        """Give the tree of a commit that was looked at as a tar; the last few are kept in memory.

        Raises:
            NotFoundError: the mirror has no such commit.
            SourceError: something in the tree cannot be delivered, or it is larger than 256 MiB.
        """
        path = self._path(repo)

        async def make() -> bytes:
            return await in_thread(lambda halt: read_archive(sha, folder=self._folder, bare=path))

        return await self._archives.get(path, sha, make)

    async def revision(self, repo: Repo, sha: Sha) -> Revision:
        """Read a commit that was looked at before.

        Raises:
            NotFoundError: the mirror has no such commit.
        """
        path = self._path(repo)
        return await in_thread(
            lambda halt: read_revision(sha, branch=repo.ref, folder=self._folder, bare=path)
        )

    async def resolve(self, repo: Repo, rev: str, credentials: Credentials) -> Sha:
        """Find the commit a person's word means: an id, HEAD~1, or a branch or tag of the remote.

        Raises:
            NotFoundError: it means none.
            RefusedError: the remote has it, but it was never part of what is watched.
            SourceError: the remote is out of reach.
        """
        path, url = self._path(repo), self._url(repo)

        def work(halt: threading.Event) -> Sha:
            found = lineage.find_commit(rev, ref=repo.ref, bare=path, folder=self._folder)
            if found is not None:
                return found
            with access_to(url, credentials, path, kept=self._kept) as access:
                offer = ask(url, tags=True, folder=path, access=access, halt=halt)
            named = offer.tags.get(rev) or offer.branches.get(rev)
            if named is None:
                raise NotFoundError(
                    f"cannot find commit {escaped(rev)!r} in repo {repo.name}",
                    hint="name a commit, a tag or a branch of it",
                )
            if not lineage.holds(named, bare=path, folder=self._folder):
                raise RefusedError(
                    f"cannot take {escaped(rev)!r} of repo {repo.name}: "
                    f"commit {named[:7]} was never part of {repo.ref}"
                )
            return named

        return await in_thread(work)

    async def verified(self, repo: Repo, sha: Sha, signers: bytes) -> str:
        """Check the signature of one commit; give who signed it.

        Raises:
            VerificationError: it is not signed by one of `signers`.
        """
        path = self._path(repo)
        return await in_thread(
            lambda halt: verify(sha, accepted=None, signers=signers, bare=path, halt=halt)
        )

    async def descends(self, repo: Repo, old: Sha, new: Sha) -> bool:
        """Say whether `new` is `old` or a descendant of it; a commit that is gone has none."""
        path = self._path(repo)
        return await in_thread(
            lambda halt: lineage.does_descend(old, new, bare=path, folder=self._folder)
        )

    async def changed(
        self, repo: Repo, old: Sha, new: Sha, paths: Iterable[str]
    ) -> tuple[str, ...]:
        """Name, escaped, the files in which two commits differ, of those that `paths` picks (none: of all).

        Raises:
            NotFoundError: the mirror has not both commits.
            SourceError: a pattern is refused, or too many files differ.
        """
        path, patterns = self._path(repo), tuple(paths)
        return await in_thread(
            lambda halt: lineage.changed_files(old, new, patterns, bare=path, folder=self._folder)
        )

    async def status(
        self,
        repo: Repo,
        credentials: Credentials,
        *,
        accepted: Sha | None,
        signers: bytes | None,
    ) -> Status:
        """Look, and tell also what went wrong as data."""
        try:
            look = await self.look(repo, credentials, accepted=accepted, signers=signers)
        except SourceError as error:
            return Status(repo=repo, accepted=accepted, error=error)
        return Status(repo=repo, accepted=accepted, look=look)

    async def clean(self, repo: Repo) -> None:
        """Delete the mirror of a repo; the next look fetches it anew."""
        url = self._url(repo)

        def work(halt: threading.Event) -> None:
            mirror = Mirror(self._folder, repo.name, url, halt)
            with mirror.locked():
                mirror.remove()

        await in_thread(work)

    def _url(self, repo: Repo) -> RemoteUrl:
        return parse(repo.url, files=self._files)

    def _path(self, repo: Repo) -> Path:
        path = Mirror(self._folder, repo.name, self._url(repo), threading.Event()).path
        if not path.is_dir():
            raise NotFoundError(
                f"cannot find a mirror of repo {repo.name}", hint=f"ctl check repo {repo.name}"
            )
        return path
