"""The step that reads what people decided, and how status says it."""

from dataclasses import replace
from datetime import datetime

from controller.model.standing import Pin, Standing, Suspension
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.seen import Seen


async def see_standing(rooms: Rooms, seen: Seen) -> Seen:
    """Read what people decided, as it stands, or as it stood at the moment that is asked for."""
    standing = await rooms.store.standings.all()
    moment = seen.request.as_of
    return replace(seen, standing=standing if moment is None else standing_at(standing, moment))


def standing_at(standing: Standing, moment: datetime) -> Standing:
    """Leave out what was decided later; what was lifted since is known to the activity log only."""
    return Standing(
        suspensions={n: one for n, one in standing.suspensions.items() if one.at <= moment},
        approvals=tuple(one for one in standing.approvals if one.at <= moment),
        pins={n: one for n, one in standing.pins.items() if one.at <= moment},
        ignores=tuple(one for one in standing.ignores if one.at <= moment),
    )


def decided_words(standing: Standing, target: str, now: datetime) -> str | None:
    """Say what a person decided about a target, None where nobody did."""
    said = [
        words(fact)
        for fact in (standing.suspensions.get(target), standing.pins.get(target))
        if fact is not None and (fact.until is None or now < fact.until)
    ]
    return "; ".join(said) or None


def words(fact: Suspension | Pin) -> str:
    """Say who decided what until when, and why."""
    at = f" at {fact.commit[:7]}" if isinstance(fact, Pin) else ""
    verb = "pinned" if isinstance(fact, Pin) else "suspended"
    until = "" if fact.until is None else f" until {fact.until:%Y-%m-%d %H:%M} UTC"
    return f"{verb} by {fact.by}{at}{until}: {fact.reason}"
