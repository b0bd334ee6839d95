"""Issuing: a certificate for a name that has none, and the next one for a name that has.

Called by `ctl pki issue|renew`, by enrolment and by `renewing`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from controller.errors import RefusedError, UsageError
from controller.pki import alternatives, keys, leaf, request, role
from controller.pki.certificate import fingerprint, from_pem, to_pem
from controller.pki.entries import Entry, Issued, KeyPlace, Revoked
from controller.pki.finding import latest
from controller.pki.keys import PrivateKey, PublicKey
from controller.pki.reason import Reason
from controller.pki.role import Role
from controller.pki.serial import draw, text_of
from controller.pki.shelf import LEDGER, Shelf, open_shelf
from controller.pki.subject import Subject, check_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks to be certified."""

    name: str
    role: Role
    alternatives: tuple[str, ...] = ()
    """Further names, such as `DNS:web-1.example.com` or `10.0.0.5`."""
    days: int | None = None
    """None: as long as the role lives."""
    request: bytes | None = None
    """A request in PEM, whose key was made elsewhere; None: a key is made here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What the next certificate of a name does otherwise; role and names stay as they are."""

    days: int | None = None
    """None: as long as the one before."""
    same_key: bool = False
    request: bytes | None = None
    revoke_old: bool = False
    """Revoke all that came before; otherwise they stay good until their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """The key of the next certificate, and its private half where it was made now."""

    public: PublicKey
    private: PrivateKey | None
    place: KeyPlace


def issue(path: Path, wish: Wish, *, now: datetime, by: str) -> Issued:
    """Sign a certificate for a name that has none.

    Args:
        path: the folder of the authority.
        wish: for whom.
        now: the time.
        by: who does it, as user@host.

    Raises:
        NotFoundError: there is no authority.
        RefusedError: the name has one, the request is not sound, or the authority ends before it.
        UsageError: a name or the number of days cannot be.
    """
    _settle(wish)  # before the folder is held, or made right
    with open_shelf(path, now=now) as shelf:
        return issue_on(shelf, wish, now=now, by=by)


def issue_on(shelf: Shelf, wish: Wish, *, now: datetime, by: str) -> Issued:
    """Do what `issue` does, on a shelf that is held."""
    names, days = _settle(wish)
    organisation = shelf.ledger.newest.organisation
    _refuse_taken(shelf, wish, now)
    key = _key(wish.request)
    subject = Subject(name=wish.name, role=wish.role, organisation=organisation)
    return _sign(shelf, subject, names, key, days=days, now=now, by=by)


def renew(path: Path, name: str, renewal: Renewal, *, now: datetime, by: str) -> Issued:
    """Sign the next certificate of a name, before the one it has is over.

    Raises:
        NotFoundError: the name never had one.
        RefusedError: the one it has is over or revoked, or its key was made elsewhere and none is given.
        UsageError: both a request and the same key are asked for.
    """
    if renewal.same_key and renewal.request is not None:
        raise UsageError("cannot keep the key and take another one", hint="--same-key or --csr")
    with open_shelf(path, now=now) as shelf:
        return renew_on(shelf, name, renewal, now=now, by=by)


def renew_on(shelf: Shelf, name: str, renewal: Renewal, *, now: datetime, by: str) -> Issued:
    """Do what `renew` does, on a shelf that is held."""
    return succeed_on(shelf, latest(shelf.ledger, name, now), renewal, now=now, by=by)


def succeed_on(shelf: Shelf, old: Issued, renewal: Renewal, *, now: datetime, by: str) -> Issued:
    """Sign what comes after one certificate, on a shelf that is held."""
    days = _days(old.days if renewal.days is None else renewal.days)
    key = _next_key(old, renewal)
    before = shelf.ledger.live(old.name, now)
    subject = Subject(name=old.name, role=old.role, organisation=old.organisation)
    gone = [
        Revoked(serial=one.serial, reason=Reason.SUPERSEDED, at=now, by=by)
        for one in (before if renewal.revoke_old else ())
    ]
    new = _sign(shelf, subject, old.alternatives, key, days=days, now=now, by=by, beside=gone)
    if renewal.request is not None and old.key is KeyPlace.HERE:
        shelf.folder.remove(f"{old.name}.key")  # it would not fit the new certificate
    return new


def _sign(
    shelf: Shelf,
    subject: Subject,
    names: tuple[str, ...],
    key: _Key,
    *,
    days: int,
    now: datetime,
    by: str,
    beside: "list[Revoked] | None" = None,
) -> Issued:
    """Sign, write down and lay out a certificate, together with what else happens in the same step."""
    authority = shelf.ledger.newest
    left = (authority.not_after - now) // timedelta(days=1)
    if days > left:
        raise RefusedError(
            f"cannot sign for {days} days: the authority itself ends in {left}",
            hint="ctl pki init --rotate, or fewer --days",
        )
    number = draw(shelf.ledger.serials())
    draft = leaf.Draft(
        subject=subject, alternatives=names, key=key.public, serial=number, days=days
    )
    made = leaf.sign(
        draft,
        issuer=from_pem(authority.certificate, where=LEDGER),
        key=shelf.key_of(authority),
        now=now,
    )
    entry = Issued(
        serial=text_of(number),
        name=subject.name,
        role=subject.role,
        organisation=subject.organisation,
        alternatives=names,
        authority=authority.authority,
        fingerprint=fingerprint(made),
        days=days,
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
        key=key.place,
        certificate=to_pem(made),
        at=now,
        by=by,
    )
    entries: list[Entry] = [entry, *(beside or ())]
    shelf.commit(*entries, key=key.private)
    return entry


def _key(pem: bytes | None) -> _Key:
    """Make a key, or take the one of a request."""
    if pem is not None:
        return _Key(public=request.read(pem), private=None, place=KeyPlace.ELSEWHERE)
    made = keys.make()
    return _Key(public=made.public_key(), private=made, place=KeyPlace.HERE)


def _next_key(old: Issued, renewal: Renewal) -> _Key:
    if renewal.same_key:
        public = keys.public_of(from_pem(old.certificate, where=LEDGER))
        return _Key(public=public, private=None, place=old.key)
    if renewal.request is None and old.key is KeyPlace.ELSEWHERE:
        raise RefusedError(
            f"cannot make a key for {old.name}: it has its own, made elsewhere",
            hint="--csr FILE with a new request of it, or --same-key",
        )
    return _key(renewal.request)


def _refuse_taken(shelf: Shelf, wish: Wish, now: datetime) -> None:
    """Refuse a name that is in use, and files that are none of ours."""
    live = shelf.ledger.live(wish.name, now)
    if live:
        one = live[-1]
        raise RefusedError(
            f"cannot issue {wish.name}: {one.name} has a certificate as {one.role} until {one.not_after:%Y-%m-%d}",
            hint=f"ctl pki renew {one.name}, or ctl pki revoke {one.name} first",
        )
    known = shelf.ledger.of_name(wish.name)
    ours = bool(known) and known[-1].name == wish.name
    kept = ours and known[-1].key is KeyPlace.HERE
    foreign = [] if ours else [f"{wish.name}.crt"]
    foreign += [] if kept or wish.request is not None else [f"{wish.name}.key"]
    for name in foreign:
        if shelf.folder.has(name):
            raise RefusedError(
                f"cannot issue {wish.name}: {shelf.folder.path / name} is none of ours",
                hint="move it away first",
            )


def _settle(wish: Wish) -> tuple[tuple[str, ...], int]:
    """Give the alternative names and the days of a wish."""
    check_name(wish.name, wish.role)
    names = alternatives.settle(wish.name, wish.role, wish.alternatives)
    return names, _days(role.days(wish.role) if wish.days is None else wish.days)


def _days(days: int) -> int:
    if not 1 <= days <= role.LONGEST:
        raise UsageError(f"cannot sign for {days} days", hint=f"1 to {role.LONGEST} days")
    return days
