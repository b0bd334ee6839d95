"""One look at one repo: fetch what is offered, judge it, and only then let it into the mirror.

Called by `mirrors` and `tracked`, inside a thread; calls `mirror`, `remote`, `signatures`, `commits` and `looked`.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.model.revision import Revision
from controller.source.commits import read_revision
from controller.source.git import Access
from controller.source.looked import question, recall, remember
from controller.source.mirror import Mirror
from controller.source.remote import Choice, Offer, choose
from controller.source.signatures import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a remote found; `fetched` tells whether objects had to be fetched for it."""

    revision: Revision
    branches: Mapping[str, Sha] = field(default_factory=dict)
    fetched: bool = False


class Visit:
    """One look at one repo: fetch, judge, promote, in this order."""

    def __init__(
        self,
        repo: Repo,
        mirror: Mirror,
        accepted: Sha | None,
        signers: bytes | None,
        halt: threading.Event,
    ) -> None:
        self._repo = repo
        self._mirror = mirror
        self._accepted = accepted
        self._signers = signers
        self._halt = halt

    def judge(self, offer: Offer, access: Access) -> Look:
        """Take the offered commit, or refuse it."""
        choice = choose(self._repo, offer)
        path = self._mirror.path
        asked = question(choice, self._accepted, self._signers)
        known = recall(path, asked)
        if known is not None:
            return Look(revision=known, branches=offer.branches)
        fetched = not self._mirror.has(choice.sha)
        if fetched:
            with self._mirror.fetched(choice, access) as incoming:
                signer = self._accept(choice, incoming)
                self._mirror.promote(incoming)
        else:
            signer = self._accept(choice, path)
        self._mirror.point(choice.sha)
        revision = read_revision(
            choice.sha, branch=choice.name, folder=path, bare=path, signer=signer
        )
        remember(path, asked, revision)
        return Look(revision=revision, branches=offer.branches, fetched=fetched)

    def _accept(self, choice: Choice, place: Path) -> str | None:
        accepted = self._accepted if self._repo.kind is not RefKind.REF else None
        if accepted is not None and accepted != choice.sha:
            self._mirror.must_descend(self._repo.name, accepted, choice.sha, place)
        if self._signers is None:
            return None
        return verify(
            choice.sha, accepted=accepted, signers=self._signers, bare=place, halt=self._halt
        )
