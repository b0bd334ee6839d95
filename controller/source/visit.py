"""One look at one repo: fetch what is offered, judge it, and only then let it into the mirror.

Called by `mirrors`, inside a thread; calls `mirror`, `remote`, `signatures` and `commits`.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.model.revision import Revision
from controller.source.commits import read_revision
from controller.source.git import Access
from controller.source.mirror import Mirror
from controller.source.remote import Choice, Offer, choose
from controller.source.signatures import verify

VERIFIED: Final = "ctl-verified"
ANSWERED: Final = 2
"""Lines of that file: the question, and who signed."""


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
        return Look(revision=revision, branches=offer.branches, fetched=fetched)

    def _accept(self, choice: Choice, place: Path) -> str | None:
        accepted = self._accepted if self._repo.kind is not RefKind.REF else None
        if accepted is not None and accepted != choice.sha:
            self._mirror.must_descend(self._repo.name, accepted, choice.sha, place)
        if self._signers is None:
            return None
        return self._signer(choice.sha, accepted, self._signers, place)

    def _signer(self, sha: Sha, accepted: Sha | None, signers: bytes, place: Path) -> str:
        """Verify, unless the very same question was answered before: an idle look stays one ls-remote."""
        question = hashlib.sha256(b"\0".join([sha.encode(), str(accepted).encode(), signers]))
        memory = self._mirror.path / VERIFIED
        known = memory.read_text().splitlines() if memory.exists() else []
        if len(known) == ANSWERED and known[0] == question.hexdigest():
            return known[1]
        signer = verify(sha, accepted=accepted, signers=signers, bare=place, halt=self._halt)
        fresh = memory.with_suffix(".new")
        fresh.write_text(f"{question.hexdigest()}\n{signer}\n")
        fresh.replace(memory)
        return signer
