"""Renewing: the next certificate of an agent that shows a good one and asks by itself.

Called by the carriers' `renewal`. What is signed follows from the ledger's entry of the certificate that was shown, never from the
request, of which only the key is taken: name, role and names stay exactly what they are. A key that was signed for gets the same
certificate again, because the answer may have been lost. What is shown stays good until its end: who renewed may not have the new one yet.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from cryptography.hazmat.primitives.serialization import Encoding

from controller.errors import RefusedError
from controller.pki import issuing, keys, request
from controller.pki.certificate import from_pem
from controller.pki.entries import Issued
from controller.pki.keys import PublicKey
from controller.pki.ledger import LIVE, Ledger
from controller.pki.peer import peer
from controller.pki.role import Role
from controller.pki.shelf import LEDGER, Shelf, bundle, look, open_shelf
from controller.wire.messages.renewal import SHARE

SLACK: Final = timedelta(minutes=10)
"""How much the clock of a server may be ahead."""
MOST: Final = 8
"""Good certificates of one name; past that somebody has to look who asks for them all the time."""


class RenewalError(RefusedError):
    """No certificate is signed; `code` is said to the agent."""

    reference: ClassVar[str] = "renewal"

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an agent shows: the certificate of its connection in DER, and a request for a new key in PEM."""

    certificate: bytes
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The next certificate, and every authority that is trusted now, in PEM.

    `beside` counts good certificates of other keys that are newer than the one that was shown: somebody renewed from it before.
    """

    issued: Issued
    authority: bytes
    beside: int = 0


def renew_shown(path: Path, shown: Shown, *, now: datetime) -> Renewed:
    """Sign the next certificate of an agent, or give it again what was signed for its key.

    Args:
        path: the folder of the authority.
        shown: by whom, and for which key.
        now: the time.

    Raises:
        NotFoundError: there is no authority.
        RefusedError: certificate or request are not sound, or the authority does not sign.
        RenewalError: the certificate is good for nothing more, or for nothing yet.
        StateError: the authority's files cannot be used.
    """
    found = peer(shown.certificate, roles=(Role.AGENT,))
    key = request.read(shown.request)
    look(path)  # before anything is made or held: most folders of controllers hold no authority
    with open_shelf(path, now=now) as shelf:
        held = shelf.ledger.issued.get(found.serial)
        if held is None or _der(held) != shown.certificate:
            raise RenewalError(
                f"cannot renew {found.name}: its certificate was not signed here", code="unknown"
            )
        _check_state(shelf.ledger, held, now)
        made = _made(shelf.ledger, held, key, now) or _sign(shelf, held, shown.request, now)
        live = shelf.ledger.live(held.name, now)
        beside = sum(1 for one in live[live.index(held) + 1 :] if one != made)
        return Renewed(issued=made, authority=bundle(shelf.ledger), beside=beside)


def _der(one: Issued) -> bytes:
    return from_pem(one.certificate, where=LEDGER).public_bytes(Encoding.DER)


def _check_state(ledger: Ledger, held: Issued, now: datetime) -> None:
    """Refuse a certificate that is over; the handshake may have been before."""
    state = ledger.state(held, now)
    if state not in LIVE:
        raise RenewalError(
            f"cannot renew {held.name}: its certificate is {state}",
            code=str(state),
            hint=f"ctl agent install --on {held.name}, or ctl pki invite {held.name}",
        )


def _made(ledger: Ledger, held: Issued, key: PublicKey, now: datetime) -> Issued | None:
    """Give what was signed since for this very key.

    Raises:
        RenewalError: it is a key from before, or its certificate is not good any more.
    """
    digest = keys.digest(key)
    of_name = ledger.of_name(held.name)
    since = of_name.index(held) + 1
    for place, one in enumerate(of_name):
        if keys.digest(keys.public_of(from_pem(one.certificate, where=LEDGER))) != digest:
            continue
        if place >= since and ledger.state(one, now) in LIVE:
            return one
        raise RenewalError(f"cannot renew {held.name}: its key is not new", code="used-key")
    return None


def _sign(shelf: Shelf, held: Issued, pem: bytes, now: datetime) -> Issued:
    life, left = held.not_after - held.not_before, held.not_after - now
    if left > life * SHARE + SLACK:
        raise RenewalError(
            f"cannot renew {held.name} yet: its certificate is good until {held.not_after:%Y-%m-%d}",
            code="early",
        )
    live = len(shelf.ledger.live(held.name, now))
    if live >= MOST:
        raise RenewalError(
            f"cannot renew {held.name}: it has {live} good certificates",
            code="too-many",
            hint="ctl pki list; ctl pki revoke SERIAL, of those that nobody uses",
        )
    renewal = issuing.Renewal(request=pem)
    return issuing.succeed_on(shelf, held, renewal, now=now, by=f"agent {held.name}")
