"""Revoking: certificates that are refused from now on.

Called by `ctl pki revoke`. The deny list is written before the revocation lists, so that our own listeners learn it even where the
private key of the authority is kept elsewhere.
"""

from datetime import datetime
from pathlib import Path

from controller.errors import RefusedError
from controller.pki.entries import Issued, Revoked
from controller.pki.finding import of_word
from controller.pki.ledger import LIVE
from controller.pki.reason import Reason
from controller.pki.shelf import open_shelf


def revoke(path: Path, word: str, *, reason: Reason, now: datetime, by: str) -> tuple[Issued, ...]:
    """Revoke every good certificate of a name, or the one of a serial.

    Args:
        path: the folder of the authority.
        word: a name or a serial.
        reason: why.
        now: the time.
        by: who does it, as user@host.

    Returns:
        What was revoked.

    Raises:
        NotFoundError: there is no such certificate.
        RefusedError: all of them are over already.
    """
    with open_shelf(path, now=now) as shelf:
        found = of_word(shelf.ledger, word)
        good = tuple(one for one in found if shelf.ledger.state(one, now) in LIVE)
        if not good:
            state = shelf.ledger.state(found[-1], now)
            raise RefusedError(f"cannot revoke {found[-1].name}: it is {state} already")
        entries = [Revoked(serial=one.serial, reason=reason, at=now, by=by) for one in good]
        shelf.commit(*entries)
        return good


def relist(path: Path, *, now: datetime) -> None:
    """Sign the revocation lists anew, so that those who insist on them do not lock everybody out."""
    with open_shelf(path, now=now) as shelf:
        _ = shelf.ledger.newest
        shelf.relist()
