"""Looks at the config repository that people ask for: what the last one came to, and whether a rewind is accepted.

Both are marks, because whoever asks and whoever looks may be different processes. Written by the API and by the reconciler of `config`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from controller.errors import ControllerError
from controller.model.ids import Sha
from controller.store.ports_serving import Marks

Kept = TypeVar("Kept")
LOOK: Final = "config/look"
CONSENT: Final = "config/consent"
CONSENT_SECONDS: Final = 600.0
"""So long a word that a rewind is accepted waits for a look that can judge it: the remote may be out of reach."""
LONGEST: Final = 2000
"""Characters that are kept of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look that is over: when it began, the newest commit where one was let in, or what was wrong."""

    began: datetime
    commit: Sha | None = None
    reference: str | None = None
    message: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Somebody accepts that the history of the config repository was rewritten; `previous` was in force when they said so.

    It counts once, for a while, and only as long as that commit is in force.
    """

    by: str
    reason: str
    at: datetime
    previous: Sha | None


def failed(began: datetime, error: ControllerError) -> Look:
    """Say of a look that it failed."""
    return Look(
        began=began,
        reference=error.reference,
        message=error.message[:LONGEST],
        hint=None if error.hint is None else error.hint[:LONGEST],
    )


async def keep(marks: Marks, look: Look) -> None:
    """Keep what a look came to, in place of the one before."""
    await marks.put(LOOK, msgspec.json.encode(look).decode())


async def last(marks: Marks) -> Look | None:
    """Read what the last look came to; None before the first."""
    return _read(await marks.get(LOOK), Look)


async def consent(marks: Marks, given: Consent) -> None:
    """Keep the word that a rewind is accepted."""
    await marks.put(CONSENT, msgspec.json.encode(given).decode())


async def consented(marks: Marks, *, accepted: Sha | None, now: datetime) -> Consent | None:
    """Read the word that a rewind is accepted, where it counts now; forget it where it does not."""
    text = await marks.get(CONSENT)
    given = _read(text, Consent)
    if given is None:
        return None
    age = now - given.at
    if given.previous == accepted and timedelta(0) <= age <= timedelta(seconds=CONSENT_SECONDS):
        return given
    await marks.swap(CONSENT, text, None)
    return None


async def spend(marks: Marks) -> None:
    """Forget the word: it was heard."""
    text = await marks.get(CONSENT)
    if text is not None:
        await marks.swap(CONSENT, text, None)


def _read(text: str | None, kind: type[Kept]) -> Kept | None:
    """Read a mark; what another version wrote is nothing to us."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        return None
