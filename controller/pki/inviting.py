"""Inviting: tokens by which a server enrols by itself, and what they are worth.

Called by `ctl pki invite` and by the listener's enrolment. A token is good once: it is bound to the first key that comes with it,
durably, before anything is signed. Whoever comes again with that very key, because the answer was lost, gets the same certificate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.pki import alternatives, invitations, issuing, keys, request, role
from controller.pki.certificate import from_pem
from controller.pki.entries import Issued
from controller.pki.folder import open_folder
from controller.pki.invitations import Invitation
from controller.pki.ledger import LIVE, Ledger
from controller.pki.role import Role
from controller.pki.shelf import LEDGER, Shelf, bundle, look, open_shelf
from controller.pki.subject import check_name

USUAL: Final = timedelta(hours=24)
LONGEST: Final = timedelta(days=30)


class TokenError(RefusedError):
    """A token is worth nothing here; `code` is said to whoever showed it."""

    reference: ClassVar[str] = "token"

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Who shall be invited.

    `days` is how long the certificate will live, `valid` how long the token does. `renew` is for a name that has a
    certificate already, which stays good until its end.
    """

    name: str
    alternatives: tuple[str, ...] = ()
    days: int | None = None
    valid: timedelta = USUAL
    renew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A token, which nobody can be told again, and the pin that goes with it."""

    token: str
    pin: str
    invitation: Invitation


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What a server shows: a token, its name, and a request in PEM."""

    token: str
    name: str
    request: bytes


def invite(path: Path, guest: Guest, *, now: datetime, by: str) -> Invited:
    """Make a token for one name.

    Args:
        path: the folder of the authority.
        guest: whom.
        now: the time.
        by: who does it, as user@host.

    Raises:
        NotFoundError: there is no authority, or no certificate to be renewed.
        RefusedError: the name has a certificate, or too many are invited.
        UsageError: a name, a time or a number of days cannot be.
    """
    check_name(guest.name, Role.AGENT)
    names = alternatives.settle(guest.name, Role.AGENT, guest.alternatives)
    if not timedelta(minutes=1) <= guest.valid <= LONGEST:
        raise UsageError("cannot invite for that long", hint="from 1 minute to 30 days")
    if guest.days is not None and not 1 <= guest.days <= role.LONGEST:
        raise UsageError(f"cannot sign for {guest.days} days", hint=f"1 to {role.LONGEST} days")
    with open_shelf(path, now=now) as shelf:
        _check_standing(shelf.ledger, guest.name, now, renew=guest.renew)
        known = [one for one in invitations.load(shelf.folder) if one.expires > now]
        if len(known) >= invitations.MOST:
            raise RefusedError(
                f"cannot invite more than {invitations.MOST} at once", hint="wait until some end"
            )
        token, made = invitations.draw(
            name=guest.name,
            alternatives=names,
            days=guest.days,
            renew=guest.renew,
            expires=now + guest.valid,
            at=now,
            by=by,
        )
        invitations.save(shelf.folder, [*known, made], now=now)
        return Invited(token=token, pin=_pin(shelf.ledger), invitation=made)


def invited(path: Path, *, now: datetime) -> tuple[Invitation, ...]:
    """List the invitations that are open or were used, and have not ended."""
    with open_folder(path, shared=True) as folder:
        return tuple(one for one in invitations.load(folder) if one.expires > now)


def withdraw(path: Path, name: str, *, now: datetime) -> Sequence[Invitation]:
    """End every invitation of a name.

    Raises:
        NotFoundError: it has none.
    """
    with open_shelf(path, now=now) as shelf:
        known = invitations.load(shelf.folder)
        gone = [one for one in known if one.name.lower() == name.lower() and one.expires > now]
        if not gone:
            raise NotFoundError(f'cannot find an invitation of "{name}"')
        invitations.save(shelf.folder, [one for one in known if one not in gone], now=now)
        return gone


def redeem(path: Path, shown: Showing, *, now: datetime) -> Issued:
    """Sign for a server that shows a token, or give it again what was signed for its key.

    Raises:
        RefusedError: the request is not sound, or the authority does not sign.
        TokenError: the token is worth nothing.
    """
    with open_folder(path, shared=True) as folder:  # without the lock: who guesses holds nobody up
        _settle(invitations.load(folder), shown, now)
    key = request.read(shown.request)
    digest = keys.digest(key)
    with open_shelf(path, now=now) as shelf:
        known = invitations.load(shelf.folder)
        one = _settle(known, shown, now)
        if one.used_by not in {"", digest}:
            raise TokenError(
                "cannot enroll: the token was used by another key",
                code="used-token",
                hint=f"ctl pki show {one.name}: if that was not you, revoke it; then invite again",
            )
        made = _made(shelf.ledger, one, digest, now)
        if made is not None:
            return made
        if not one.used_by:
            _check_standing(shelf.ledger, one.name, now, renew=one.renew)
            used = [replace(each, used_by=digest) if each is one else each for each in known]
            invitations.save(shelf.folder, used, now=now)
        return _sign(shelf, one, shown.request, now)


def trusted(path: Path) -> bytes:
    """Give the certificates of the trusted authorities, the newest first, for whoever asks."""
    return bundle(look(path))


def _settle(known: Sequence[Invitation], shown: Showing, now: datetime) -> Invitation:
    """Find the invitation of what is shown."""
    one = invitations.find(known, shown.token)
    if one is None:
        raise TokenError(
            "cannot enroll: the token is not known here",
            code="unknown-token",
            hint="ctl pki invite NAME makes one; one that has ended is forgotten",
        )
    if one.expires <= now:
        raise TokenError(
            "cannot enroll: the token has ended", code="expired-token", hint="ctl pki invite NAME"
        )
    if one.name != shown.name:
        raise TokenError(
            "cannot enroll: the token is for another name",
            code="wrong-name",
            hint="--name has to be the name that was invited",
        )
    return one


def _made(ledger: Ledger, one: Invitation, digest: str, now: datetime) -> Issued | None:
    """Give what was signed since for this very key.

    Raises:
        TokenError: it is not good any more, and the token makes no second one.
    """
    for issued in reversed(ledger.of_name(one.name)):
        public = keys.public_of(from_pem(issued.certificate, where=LEDGER))
        if issued.at >= one.at and keys.digest(public) == digest:
            state = ledger.state(issued, now)
            if state in LIVE:
                return issued
            raise TokenError(f"cannot enroll: its certificate is {state}", code="used-token")
    return None


def _check_standing(ledger: Ledger, name: str, now: datetime, *, renew: bool) -> None:
    """Refuse a name whose certificate nobody spoke of, and one that is no agent's."""
    live = ledger.live(name, now)
    if live and live[-1].role is not Role.AGENT:
        raise RefusedError(f"cannot enroll {name}: it has a certificate as {live[-1].role}")
    if live and not renew:
        raise RefusedError(
            f"cannot enroll {name}: it has a certificate until {live[-1].not_after:%Y-%m-%d}",
            hint="invite it with --renew, or revoke that one first",
        )
    if renew and not live:
        raise NotFoundError(f"cannot renew {name}: it has no certificate", hint="leave out --renew")


def _sign(shelf: Shelf, one: Invitation, pem: bytes, now: datetime) -> Issued:
    if shelf.ledger.live(one.name, now):
        renewal = issuing.Renewal(days=one.days, request=pem)
        return issuing.renew_on(shelf, one.name, renewal, now=now, by=one.by)
    wish = issuing.Wish(
        name=one.name, role=Role.AGENT, alternatives=one.alternatives, days=one.days, request=pem
    )
    return issuing.issue_on(shelf, wish, now=now, by=one.by)


def _pin(ledger: Ledger) -> str:
    return keys.pin(keys.public_of(from_pem(ledger.newest.certificate, where=LEDGER)))
