"""Lists of authorities and certificates, with the days they have left, for people and programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from controller.cli.views.style import Style
from controller.cli.views.tables import table
from controller.cli.views.words import count, line
from controller.pki.entries import Founded, Issued
from controller.pki.ledger import LIVE, Ledger, State
from controller.reconcile.documents import plain

DAY: Final = timedelta(days=1)
WARNINGS: Final = (1, 7, 30)
"""Days left below which people are warned."""


class View(Protocol):
    """What can be printed."""

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        ...

    def document(self) -> object:
        """Give it to programs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list."""

    name: str
    role: str
    serial: str
    state: str
    not_after: datetime
    days_left: int
    expiring: int | None
    """The limit it is below: 30, 7 or 1 days; none where nobody has to act."""
    alternatives: tuple[str, ...]
    authority: str
    fingerprint: str
    issued_at: datetime
    issued_by: str
    revoked_at: datetime | None = None
    revoked_why: str | None = None


def expiring(left: timedelta) -> int | None:
    """Give the smallest limit of `WARNINGS` that is undercut."""
    return next((limit for limit in WARNINGS if left < limit * DAY), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Authorities and certificates, those that end first on top."""

    ledger: Ledger
    now: datetime
    everything: bool
    only: Sequence[Issued] | None = None

    def rows(self) -> list[Row]:
        """Give the lines."""
        leaves = self.ledger.issued.values() if self.only is None else self.only
        found = [self._leaf(one) for one in leaves]
        if self.only is None:
            found += [self._root(one) for one in self.ledger.authorities]
        shown = [row for row in found if self.everything or row.state in LIVE]
        return sorted(shown, key=lambda row: (row.not_after, row.name, row.serial))

    def names(self) -> list[str]:
        """Give the names, each once."""
        return list(dict.fromkeys(row.name for row in self.rows()))

    def documents(self) -> list[dict[str, object]]:
        """Give the lines to programs."""
        return [document_of(row) for row in self.rows()]

    def document(self) -> object:
        """Give it to programs."""
        return self.documents()

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        heads = ["NAME", "ROLE", "STATE", "EXPIRES", "DAYS", "AUTHORITY", "NAMES"]
        more = ["SERIAL"] if wide else []
        rows = [
            [
                row.name,
                row.role,
                state_word(row),
                f"{row.not_after:%Y-%m-%d}",
                str(row.days_left) if row.days_left >= 0 else "-",
                row.authority,
                " ".join(row.alternatives) or "-",
                *([row.serial] if wide else []),
            ]
            for row in self.rows()
        ]
        return table([*heads, *more], rows, style)

    def warnings(self) -> Iterator[str]:
        """Say who has to be renewed, the most urgent first."""
        for row in self.rows():
            if row.expiring is None:
                continue
            remedy = "init --rotate" if row.role == "ca" else f"renew {line(row.name)}"
            left = count(row.days_left, "day") if row.days_left else "less than a day"
            yield f"warning: {line(row.name)} expires in {left}: ctl pki {remedy}"

    def _leaf(self, one: Issued) -> Row:
        state = self.ledger.state(one, self.now)
        revoked = self.ledger.revoked.get(one.serial)
        left = one.not_after - self.now
        return Row(
            name=one.name,
            role=one.role,
            serial=one.serial,
            state=state,
            not_after=one.not_after,
            days_left=left // DAY,
            expiring=expiring(left) if state is State.VALID else None,
            alternatives=one.alternatives,
            authority=one.authority,
            fingerprint=one.fingerprint,
            issued_at=one.at,
            issued_by=one.by,
            revoked_at=revoked.at if revoked else None,
            revoked_why=revoked.reason if revoked else None,
        )

    def _root(self, one: Founded) -> Row:
        left = one.not_after - self.now
        state = state_of(self.ledger, one, self.now)
        return Row(
            name=f"ca-{one.authority}",
            role="ca",
            serial=one.serial,
            state=state,
            not_after=one.not_after,
            days_left=left // DAY,
            expiring=expiring(left) if state is State.VALID else None,
            alternatives=(),
            authority=one.authority,
            fingerprint=one.fingerprint,
            issued_at=one.at,
            issued_by=one.by,
        )


def state_of(ledger: Ledger, one: Founded, now: datetime) -> str:
    """Say what has become of an authority, in the words for certificates."""
    if one.authority in ledger.retired:
        return State.RETIRED
    if one.not_after <= now:
        return State.EXPIRED
    return State.VALID if one is ledger.newest else State.REPLACED


def state_word(row: Row) -> str:
    """Say the state of a line, or how soon somebody has to act."""
    return row.state if row.expiring is None else f"expires in < {row.expiring} d"


def document_of(row: Row) -> dict[str, object]:
    """Give a line to programs."""
    fields = plain(row)
    return fields if isinstance(fields, dict) else {}
