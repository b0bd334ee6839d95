"""Founding: the first authority, its successor, and the end of the one before.

Called by `ctl pki init`. While two are trusted, both stand in `ca.crt` and the newest signs; so every server can learn the new one
before it meets a certificate of it.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.pki import keys, root
from controller.pki.certificate import fingerprint, to_pem
from controller.pki.entries import Founded, Issued, Retired
from controller.pki.ledger import LIVE
from controller.pki.serial import draw, text_of
from controller.pki.shelf import BUNDLE, KEY, Shelf, open_shelf
from controller.pki.subject import check_organisation

ORGANISATION: Final = "Tillerman"
TRUSTED: Final = 2
"""Authorities that are trusted at the same time."""
SHOWN: Final = 5
"""Names that a message names."""


def found(
    path: Path, *, now: datetime, by: str, organisation: str = ORGANISATION, days: int = root.DAYS
) -> Founded:
    """Make the first authority in a folder.

    Args:
        path: the folder; made with 0700 when it is not there.
        now: the time.
        by: who does it, as user@host.
        organisation: the O of every certificate.
        days: how long it lives.

    Raises:
        RefusedError: there is one already.
    """
    check_organisation(organisation)
    _check_days(days)
    with open_shelf(path, now=now, make=True) as shelf:
        if shelf.ledger.authorities:
            own = shelf.ledger.newest.authority
            raise RefusedError(
                f"cannot make an authority in {path}: {own} is there already",
                hint="ctl pki init --rotate makes its successor",
            )
        foreign = [name for name in (BUNDLE, KEY) if shelf.folder.has(name)]
        if foreign:
            raise RefusedError(
                f"cannot make an authority in {path}: {foreign[0]} is there and none of ours"
            )
        return _add(shelf, organisation, now=now, by=by, days=days)


def rotate(path: Path, *, now: datetime, by: str, days: int = root.DAYS) -> Founded:
    """Make the successor of an authority; both are trusted until the old one is retired.

    Raises:
        NotFoundError: there is none yet.
        RefusedError: the last rotation is not over yet.
    """
    _check_days(days)
    with open_shelf(path, now=now) as shelf:
        newest = shelf.ledger.newest
        if len(shelf.ledger.trusted) >= TRUSTED:
            old = shelf.ledger.trusted[-1].authority
            raise RefusedError(
                f"cannot rotate: {old} is still trusted beside {newest.authority}",
                hint=f"ctl pki init --retire {old}",
            )
        return _add(shelf, newest.organisation, now=now, by=by, days=days)


def retire(path: Path, authority: str, *, now: datetime, by: str, force: bool = False) -> Retired:
    """End the trust in an old authority; its private key is removed.

    Args:
        path: the folder.
        authority: its id.
        now: the time.
        by: who does it.
        force: also when certificates of it are still good.

    Raises:
        NotFoundError: there is no such authority.
        RefusedError: it is the one that signs, or certificates of it are still good.
    """
    with open_shelf(path, now=now) as shelf:
        known = {one.authority for one in shelf.ledger.trusted}
        if authority not in known:
            raise NotFoundError(
                f'cannot find a trusted authority "{authority}"',
                hint=f"trusted are: {', '.join(sorted(known))}",
            )
        if authority == shelf.ledger.newest.authority:
            raise RefusedError(
                f"cannot retire {authority}: it is the one that signs",
                hint="ctl pki init --rotate makes its successor",
            )
        left = _left(shelf, authority, now)
        if left and not force:
            shown = ", ".join(left[:SHOWN]) + (" and more" if len(left) > SHOWN else "")
            raise RefusedError(
                f"cannot retire {authority}: {len(left)} names have no newer certificate: {shown}",
                hint="ctl pki renew NAME for each, or say --force",
            )
        entry = Retired(authority=authority, at=now, by=by)
        shelf.commit(entry)
        return entry


def _add(shelf: Shelf, organisation: str, *, now: datetime, by: str, days: int) -> Founded:
    key = keys.make()
    number = draw(shelf.ledger.serials())
    made = root.make(organisation, key, serial=number, now=now, days=days)
    entry = Founded(
        authority=keys.identifier(key.public_key()),
        organisation=organisation,
        serial=text_of(number),
        fingerprint=fingerprint(made),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
        certificate=to_pem(made),
        at=now,
        by=by,
    )
    shelf.commit(entry, key=key)
    return entry


def _left(shelf: Shelf, authority: str, now: datetime) -> list[str]:
    """Name those whose only good certificates are of this authority."""

    def is_bound(name: str) -> bool:
        live: tuple[Issued, ...] = shelf.ledger.live(name, now)
        return bool(live) and all(one.authority == authority for one in live)

    names = {
        one.name
        for one in shelf.ledger.issued.values()
        if one.authority == authority and shelf.ledger.state(one, now) in LIVE
    }
    return sorted(filter(is_bound, names))


def _check_days(days: int) -> None:
    if not 1 <= days <= root.LONGEST:
        raise UsageError(
            f"cannot make an authority for {days} days", hint=f"1 to {root.LONGEST} days"
        )
