"""Which commit of a followed config repository is in force: one ref of its mirror.

Called by `tracked`, which holds the mirror's lock while it moves; calls `git` and `lineage`. Both methods block.
"""

import threading
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, SourceError
from controller.model.ids import Sha
from controller.source.git import Access, run_git
from controller.source.lineage import does_descend
from controller.source.mirror import WATCHED, sync
from controller.source.remote import SHA

REF: Final = "refs/ctl/in-force"
DURABLE: Final = Access(settings=("core.fsync=all",))


class InForce:
    """The ref, in one mirror."""

    def __init__(self, mirror: Path) -> None:
        self._mirror = mirror

    def read(self) -> Sha | None:
        """Say which commit is in force; None before the first one.

        Raises:
            SourceError: the ref is damaged.
        """
        return self._read(REF)

    def move(self, sha: Sha, halt: threading.Event) -> None:
        """Put a commit in force, durably.

        Raises:
            NotFoundError: no look let it in.
            SourceError: the disk refuses.
        """
        watched, place = self._read(WATCHED), self._mirror
        if watched is None or not does_descend(sha, watched, bare=place, folder=place):
            raise NotFoundError(f"cannot put commit {sha} in force: it was not let in")
        answer = run_git(
            ["update-ref", "--end-of-options", REF, sha],
            folder=place,
            bare=place,
            access=DURABLE,
            halt=halt,
        )
        if answer.code != 0:
            raise SourceError(f"cannot put commit {sha} in force: {answer.complaint.strip()[:300]}")
        sync((place / REF).parent)

    def _read(self, ref: str) -> Sha | None:
        """Read a ref from its file; one that is damaged must not look like one that was never there."""
        try:
            text = (self._mirror / ref).read_text(errors="replace").strip()
        except FileNotFoundError:
            return None
        if SHA.fullmatch(text) is None:
            raise SourceError(
                f"cannot read {ref} in {self._mirror}: it is damaged",
                hint=f"restore a backup, or delete {self._mirror} to trust the branch anew",
            )
        return Sha(text)
