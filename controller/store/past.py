"""What goes into the history: one entry for each time something was recorded, and the mark that tells whether it changed.

Pure. Called by `records` and `observations` of SQLite and by their twins in memory, so that both keep the same past.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from controller.model.applied import Applied
from controller.model.observation import RepoSeen, ServerSeen
from controller.store.rows import encode

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What has a history."""

    RECORD = "record"
    SERVER = "server"
    REPO = "repo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing as it was recorded; `data` None: it was forgotten. `server` is the second half of a pair."""

    kind: Kind
    name: str
    server: str = ""
    mark: str = ""
    data: str | None = None

    @property
    def key(self) -> tuple[Kind, str, str]:
        """What it is the history of."""
        return self.kind, self.name, self.server


def of_record(record: Applied, data: str) -> Entry:
    """Make the entry of an applied record; everything in it matters."""
    return Entry(
        kind=Kind.RECORD, name=record.target, server=record.server, mark=_hash(data), data=data
    )


def of_forgotten(target: str, server: str) -> Entry:
    """Make the entry of a record that goes."""
    return Entry(kind=Kind.RECORD, name=target, server=server)


def of_server(seen: ServerSeen, data: str) -> Entry:
    """Make the entry of a server; seeing the same again at another time does not matter."""
    matters = replace(
        seen,
        at=_EPOCH,
        checks={name: replace(check, at=_EPOCH) for name, check in seen.checks.items()},
        deliveries={name: replace(one, at=_EPOCH) for name, one in seen.deliveries.items()},
    )
    return Entry(kind=Kind.SERVER, name=seen.server, mark=_hash(encode(matters)), data=data)


def of_repo(seen: RepoSeen, data: str) -> Entry:
    """Make the entry of a repo; seeing the same again at another time does not matter."""
    mark = _hash(encode(replace(seen, checked_at=None)))
    return Entry(kind=Kind.REPO, name=seen.repo, mark=mark, data=data)


def instant(moment: datetime) -> int:
    """Count the microseconds from 1970 to a moment."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _hash(data: str) -> str:
    return hashlib.blake2b(data.encode(), digest_size=16).hexdigest()
