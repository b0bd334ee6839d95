"""The ledger: every certificate that was ever signed, and what became of it.

A fold over entries; `shelf` reads and appends them, everybody else asks this record. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from controller.errors import NotFoundError, StateError
from controller.pki.entries import Entry, Founded, Issued, Listed, Retired, Revoked, decode

MOST: Final = 200_000
"""Lines of one ledger; past that no certificate is signed. Revoking always goes on."""
REMEMBERED: Final = timedelta(days=30)
"""How long after its end a revoked certificate is still denied, for clocks that run behind."""


class State(StrEnum):
    """What has become of a certificate."""

    VALID = "valid"
    REPLACED = "replaced"  # still good; a newer one of that name is good too
    EXPIRED = "expired"
    REVOKED = "revoked"
    RETIRED = "retired"  # its authority is no longer trusted


LIVE: Final = frozenset({State.VALID, State.REPLACED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is known of an authority and its rotations."""

    authorities: tuple[Founded, ...] = ()
    """All there ever were, oldest first."""
    retired: Mapping[str, Retired] = field(default_factory=dict)
    issued: Mapping[str, Issued] = field(default_factory=dict)
    """By serial, oldest first."""
    revoked: Mapping[str, Revoked] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The serials of a name in lower case, oldest first: TLS compares names so."""
    last: Issued | None = None
    """The one that was signed last."""
    length: int = 0
    """Lines."""
    listed: int = 0
    """The line of the last revocation list, which is its number."""
    changed: int = 0
    """The last line that a revocation list has to tell of."""

    @property
    def trusted(self) -> tuple[Founded, ...]:
        """The authorities whose certificates are good, newest first."""
        return tuple(a for a in reversed(self.authorities) if a.authority not in self.retired)

    @property
    def newest(self) -> Founded:
        """The authority that signs.

        Raises:
            NotFoundError: there is none yet.
        """
        if not self.authorities:
            raise NotFoundError("cannot find an authority", hint="ctl pki init")
        return self.authorities[-1]

    def serials(self) -> frozenset[str]:
        """Give every serial that was ever used."""
        return frozenset(self.issued).union(a.serial for a in self.authorities)

    def of_name(self, name: str) -> tuple[Issued, ...]:
        """Give every certificate of a name, oldest first."""
        return tuple(self.issued[serial] for serial in self.names.get(name.lower(), ()))

    def live(self, name: str, now: datetime) -> tuple[Issued, ...]:
        """Give the certificates of a name that are good, oldest first."""
        return tuple(one for one in self.of_name(name) if self.state(one, now) in LIVE)

    def state(self, one: Issued, now: datetime) -> State:
        """Say what has become of a certificate."""
        over = self._over(one, now)
        if over is not None:
            return over
        serials = self.names[one.name.lower()]
        newer = serials[serials.index(one.serial) + 1 :]
        good = any(self._over(self.issued[serial], now) is None for serial in newer)
        return State.REPLACED if good else State.VALID

    def _over(self, one: Issued, now: datetime) -> State | None:
        """Say why a certificate is no longer good; None while it is."""
        if one.serial in self.revoked:
            return State.REVOKED
        if one.authority in self.retired:
            return State.RETIRED
        return State.EXPIRED if one.not_after <= now else None

    def denied(self, now: datetime) -> Iterator[tuple[Issued, Revoked]]:
        """Give what was revoked and may still be shown to somebody."""
        for serial, revoked in self.revoked.items():
            one = self.issued[serial]
            if one.not_after + REMEMBERED > now:
                yield one, revoked


def read(data: bytes, *, where: str) -> Ledger:
    """Read a ledger; a last line without its end was never acknowledged and does not count.

    Raises:
        StateError: a line is damaged, or speaks of what never was.
    """
    lines = data.split(b"\n")[:-1]
    fold = _Fold()
    for number, line in enumerate(lines, start=1):
        place = f"{where}:{number}"
        fold.take(decode(line, where=place), number, place)
    return fold.ledger()


class _Fold:
    """A ledger while it is read."""

    def __init__(self) -> None:
        self._authorities: list[Founded] = []
        self._retired: dict[str, Retired] = {}
        self._issued: dict[str, Issued] = {}
        self._revoked: dict[str, Revoked] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._last: Issued | None = None
        self._length = self._listed = self._changed = 0

    def take(self, entry: Entry, number: int, place: str) -> None:
        """Take in one entry."""
        self._length = number
        match entry:
            case Founded():
                self._authorities.append(entry)
            case Issued():
                key = entry.name.lower()
                self._issued[entry.serial] = self._last = entry
                self._names[key] = (*self._names.get(key, ()), entry.serial)
            case Revoked():
                self._expect(entry.serial in self._issued, place, entry.serial)
                self._revoked.setdefault(entry.serial, entry)
            case Retired():
                known = any(a.authority == entry.authority for a in self._authorities)
                self._expect(known, place, entry.authority)
                self._retired[entry.authority] = entry
            case Listed():
                self._listed = number
        if isinstance(entry, Founded | Revoked | Retired):
            self._changed = number

    def ledger(self) -> Ledger:
        """Give what was read."""
        return Ledger(
            authorities=tuple(self._authorities),
            retired=self._retired,
            issued=self._issued,
            revoked=self._revoked,
            names=self._names,
            last=self._last,
            length=self._length,
            listed=self._listed,
            changed=self._changed,
        )

    def _expect(self, known: bool, place: str, what: str) -> None:  # noqa: FBT001  # a condition
        if not known:
            raise StateError(f"cannot read {place}: it speaks of {what}, which was never made")
