"""The inputs of a pair and their digests: what can change the result of a target on a server.

Called by `pairs` for every distinct piece of work, and by whoever knows a source (`source_digest`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.model.digest import digest_of
from controller.model.ids import Digest, Sha
from controller.model.revision import Revision
from controller.model.tree import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """The commit a target is resolved with; `digest` is its `source_digest`, `repo` the repo's name."""

    revision: Revision
    digest: Digest
    repo: str


def source_digest(*, commit: Sha, watched: Iterable[Entry] | None = None) -> Digest:
    """Hash what a target takes from its repo.

    Args:
        commit: the commit, which counts as a whole for a target without `paths:`.
        watched: the files that `paths:` picks at that commit; with them the commit itself does not count.
    """
    if watched is None:
        return digest_of({"commit": commit})
    return digest_of({"files": sorted((entry.path, entry.mode, entry.blob) for entry in watched)})
