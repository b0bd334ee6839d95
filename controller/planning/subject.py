"""One pair as the planner sees it: what is declared of it, and which of what is known of it counts.

Made by `drafts` and `removal`, read by `verdict` and `gates`.
"""

from dataclasses import dataclass
from datetime import datetime

from controller.model.applied import Applied
from controller.model.declaration import Repo, Target
from controller.model.ids import Digest
from controller.model.inventory import Server
from controller.model.observation import Holder, MarkerSeen, ServerSeen
from controller.model.plan import Blocker
from controller.model.work import Work
from controller.planning.inputs import Observed, PairKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One pair. `target`, `server` and `work` are None where the declaration no longer, or not yet, has them.

    `record` is what is known to be in force, by the marker or by the state, whichever is right; `stored` is what the
    state says, right or not. `refused` is why the newest commit of the repo is not taken. `named` says that the person
    named the target, `surely_new` that a missing record means a first run even where nobody looked.
    """

    key: PairKey
    target: Target | None = None
    server: Server | None = None
    repo: Repo | None = None
    work: Work | None = None
    record: Applied | None = None
    stored: Applied | None = None
    seen: ServerSeen | None = None
    refused: Blocker | None = None
    named: bool = False
    surely_new: bool = False

    @property
    def desired(self) -> Digest | None:
        """The input digest that is asked for."""
        return None if self.work is None else self.work.digest

    @property
    def marker(self) -> MarkerSeen | None:
        """The marker as it was last read."""
        return None if self.seen is None else self.seen.markers.get(self.key[0])

    @property
    def holder(self) -> Holder | None:
        """Who holds the target there."""
        return None if self.seen is None else self.seen.locks.get(self.key[0])


def moment(record: Applied) -> datetime | None:
    """Say when a record last changed."""
    times = [record.at, None if record.tried is None else record.tried.at]
    return max((at for at in times if at is not None), default=None)


def outlived(marker: Applied, stored: Applied) -> bool:
    """Say whether a marker was read while a run was at work whose end the state knows: the look came a moment too early.

    Times cannot tell: a run's last command has ended before its marker is written.
    """
    tried = marker.tried
    if tried is None or tried.state is not None:
        return False
    if stored.tried is not None:
        ended = stored.tried.state is not None
        return ended and (stored.tried.run, stored.tried.digest) == (tried.run, tried.digest)
    return (stored.run, stored.applied) == (tried.run, tried.digest)


def record_of(observed: Observed, key: PairKey, seen: ServerSeen | None) -> Applied | None:
    """Pick the record that counts: the server's marker where it was read later than the state's record was written."""
    stored = observed.records.get(key)
    if seen is None or not seen.reached:
        return stored
    if stored is not None and not observed.refreshed:
        written = moment(stored)
        if written is not None and written >= seen.at:  # whoever acts looks first
            return stored
    marker = seen.markers.get(key[0])
    if marker is None:
        return None
    return stored if stored is not None and outlived(marker.record, stored) else marker.record
