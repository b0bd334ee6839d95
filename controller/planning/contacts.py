"""How a server is reached over time: what a look adds to what is known, and when the next look is due.

Called by the loop's reconciler of servers. Pure: a look comes in as what was seen, moments as arguments.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from typing import Final

from controller.model.inventory import Check
from controller.model.observation import ServerSeen
from controller.model.serving import Contact

FLAPS: Final = 20
"""Moments of change that are kept."""
SPREAD: Final = 0.1
"""Share of an interval by which a look may come earlier, so that many servers are not looked at together."""
MOST_DOUBLINGS: Final = 20


class Turn(Enum):
    """What a look changed that people want to hear of."""

    NOTHING = auto()
    DOWN = auto()  # it failed once more than may be
    BACK = auto()  # it was down, and answered


def met(before: Contact | None, seen: ServerSeen, check: Check) -> Contact:
    """Add what a look found to what is known of a server.

    Args:
        before: what was known.
        seen: what the look found.
        check: how often may fail in a row before the server is down.
    """
    known = before or Contact(
        server=seen.server, reached=seen.reached, since=seen.at, checked_at=seen.at
    )
    turned = before is not None and before.reached is not seen.reached
    failures = 0 if seen.reached else known.failures + 1
    return replace(
        known,
        reached=seen.reached,
        since=seen.at if turned else known.since,
        checked_at=seen.at,
        failures=failures,
        down=failures > check.retries,
        cause=seen.cause,
        message=seen.message,
        login_at=seen.at if seen.reached else known.login_at,
        flaps=(*known.flaps, seen.at)[-FLAPS:] if turned else known.flaps,
        down_seconds=known.down_seconds + _over(known, seen),
    )


def turn(before: Contact | None, after: Contact) -> Turn:
    """Say what people want to hear of."""
    was = before is not None and before.down
    if was is after.down:
        return Turn.NOTHING
    return Turn.DOWN if after.down else Turn.BACK


def due_look(contact: Contact | None, check: Check, now: datetime) -> datetime:
    """Say when a server is to be looked at next; a moment that is not after `now` means at once.

    What failed is tried again after `retry_delay`, as often as `retries` says. What is down is looked at ever more rarely, until
    it is as seldom as everything else: nobody else would notice that it is back.
    """
    if contact is None or contact.checked_at > now:  # never seen, or the clock was ahead then
        return now
    return contact.checked_at + timedelta(seconds=_pause(contact, check))


def _pause(contact: Contact, check: Check) -> float:
    rest = check.interval * (1 - SPREAD * _share(contact))
    if contact.reached:
        return rest
    if not contact.down:
        return min(rest, check.retry_delay)
    doublings = min(MOST_DOUBLINGS, contact.failures - check.retries)
    return min(rest, check.retry_delay * 2.0**doublings)


def _share(contact: Contact) -> float:
    """Give a share of one that is different for each server and look, and the same however often one asks."""
    text = f"{contact.server} {contact.checked_at.isoformat()}"
    return sha256(text.encode()).digest()[0] / 255


def _over(known: Contact, seen: ServerSeen) -> float:
    """Give the seconds of a downtime that is over now."""
    if not known.down or not seen.reached:
        return 0.0
    return max(0.0, (seen.at - known.since).total_seconds())
