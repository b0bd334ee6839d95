"""The config repository: look at it when its time has come, or somebody asks, and put in force what is new and valid.

A reconciler of the loop. What becomes of a commit is told in `accepting` and `refusing`; what people ask for in `looks`.
"""

from datetime import datetime, timedelta
from typing import Final

from controller.errors import ControllerError, RewoundError, VerificationError
from controller.reconcile.loop import looks
from controller.reconcile.loop.accepting import consent_now, recall, take
from controller.reconcile.loop.keys import CONFIG
from controller.reconcile.loop.refusing import ACCEPT, SUBJECT, refuse, refused_by
from controller.reconcile.loop.result import After, Result
from controller.reconcile.loop.spread import spread
from controller.reconcile.loop.world import LOOKED, World

INTERVAL: Final = 60.0
"""Seconds between two looks while no declaration says otherwise."""
LEAST_SECONDS: Final = 5.0
"""The config repository is looked at no more often, whatever is declared."""


async def reconcile(world: World, name: str) -> Result:
    """Look at the config repository if its time has come, and put in force what is new and valid.

    Raises:
        SourceError: the remote is out of reach.
    """
    del name  # there is one
    began = world.rooms.clock.now()
    try:
        if world.generation is None:
            await recall(world)
        left = await seconds_left(world)
        if left > 0:
            return After(left, "its interval is not over")
        await look(world, began)
    except ControllerError as error:
        await looks.keep(world.rooms.store.marks, looks.failed(began, error))
        raise
    return After(interval(world), "its interval")


async def look(world: World, began: datetime) -> None:
    """Look now, and keep what that came to for whoever asked for it.

    Raises:
        SourceError: the remote is out of reach.
    """
    marks = world.rooms.store.marks
    await world.looking(CONFIG)
    consent = await consent_now(world)
    try:
        found = await world.config.look(accept_rewind=consent is not None)
    except (RewoundError, VerificationError) as error:
        if isinstance(error, RewoundError):
            error.hint = ACCEPT
        await looks.spend(marks)
        await refuse(world, refused_by(world, error), clear=error.hint)
        await looks.keep(marks, looks.failed(began, error))
        return
    await take(world, found.revision)
    if consent is not None:
        await hear(world, consent)
    await looks.keep(marks, looks.Look(began=began, commit=found.revision.sha))


async def hear(world: World, consent: looks.Consent) -> None:
    """Take a word for heard: it counts once, whether the commit could be put in force or held errors."""
    await looks.spend(world.rooms.store.marks)
    commit = None if world.generation is None else world.generation.revision.sha
    if commit != consent.previous:
        told = {"repo": SUBJECT, "previous": consent.previous, "reason": consent.reason}
        await world.rooms.activity.append("rewind-accepted", consent.by, **told, commit=commit)


def interval(world: World) -> float:
    """Give the seconds between two looks."""
    if world.generation is None:
        return INTERVAL
    declared = world.generation.declaration.settings.config_interval
    return spread(max(LEAST_SECONDS, declared), SUBJECT)


async def seconds_left(world: World) -> float:
    """Say how long it is until the next look; 0: now."""
    if world.generation is None or await world.wanted(CONFIG):
        return 0.0
    looked = await world.rooms.store.marks.get(f"{LOOKED}{CONFIG}")
    if looked is None:
        return 0.0
    at, now = datetime.fromisoformat(looked), world.rooms.clock.now()
    if at > now:  # the clock was ahead then
        return 0.0
    return max(0.0, (at + timedelta(seconds=interval(world)) - now).total_seconds())
