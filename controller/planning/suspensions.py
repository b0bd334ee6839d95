"""Suspensions: targets that a person switched off, in the declaration or by `ctl suspend`.

Called by `circumstances`.
"""

from datetime import datetime

from controller.model.declaration import Target
from controller.model.plan import Blocker, Gate
from controller.model.standing import Standing


def suspended(
    name: str, target: Target | None, standing: Standing, now: datetime
) -> Blocker | None:
    """Say who switched a target off, why and until when; None where nobody did, or the time is over."""
    said = standing.suspensions.get(name)
    if said is not None and _stands(said.until, now):
        return Blocker(
            gate=Gate.SUSPENDED,
            message=f"suspended by {said.by}{_until(said.until)}: {said.reason}",
            clear=f"ctl resume {name}",
        )
    declared = None if target is None else target.suspended
    if target is None or declared is None or not _stands(declared.until, now):
        return None
    place = target.places.get("suspended") or target.places.get("")
    where = "" if place is None else f" ({place.file}:{place.line})"
    return Blocker(
        gate=Gate.SUSPENDED,
        message=f"suspended in its declaration{_until(declared.until)}: {declared.reason}{where}",
        clear=f"remove suspended from target {name}",
    )


def _stands(until: datetime | None, now: datetime) -> bool:
    return until is None or now < until


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
