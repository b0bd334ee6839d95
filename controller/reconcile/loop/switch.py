"""The one place that turns an error into waiting.

Called by the worker with whatever a reconciler raised. An error that passes by itself is tried again, ever later; one that a person
must settle waits for a change; a bug is logged once with its traceback and waits as well. Nothing is ever tried again at once.
"""

import logging
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from controller.errors import ControllerError, Disposition, NotFoundError, StateAwayError
from controller.reconcile.loop.keys import Key
from controller.reconcile.loop.spread import backoff
from controller.reconcile.loop.stalls import tell_of_going_on, tell_of_stall
from controller.reconcile.loop.world import World
from controller.reconcile.said import Said, all_said

LOG: Final = logging.getLogger(__name__)
STALLED_SECONDS: Final = 3600.0
"""A stalled key is looked at again after so long, even if nobody says that something has changed."""
TELLS: Final = 3
"""So often an error that may pass is met before anything is said of it."""


REASONS: Final = {
    Disposition.RETRY: "Retrying",
    Disposition.STALL: "Stalled",
    Disposition.BUG: "Bug",
}
"""What is said of a key that met an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What becomes of a key: it is given back for so many seconds."""

    seconds: float
    outcome: str
    """For the metrics: the reference of the error."""


async def wait_for(world: World, key: Key, error: Exception, fails: int) -> Wait:
    """Say how long a key waits after an error, and keep what is to be said of it.

    Args:
        world: where that is kept.
        key: what was reconciled.
        error: what it met.
        fails: how often it failed before, one time after the other.
    """
    with suppress(StateAwayError):  # then that is the error, and is said of it
        await world.looked_in_vain(key)
    if isinstance(error, ControllerError):
        reference, disposition = error.reference, error.disposition
        message, hint = world.rooms.masker.text(error.message), error.hint
    else:
        reference, disposition = "internal", Disposition.BUG
        message, hint = f"{type(error).__name__}: {world.rooms.masker.text(str(error))}", None
    if disposition is Disposition.RETRY:
        if fails + 1 >= TELLS and await world.say(
            key, Said(reason=REASONS[disposition], message=message, clear=hint)
        ):
            LOG.warning("%s is tried again and again: %s", key, message)
            await tell_of_stall(world, key, f"is tried again and again: {message}", hint)
        return Wait(seconds=backoff(fails, str(key)), outcome=reference)
    news = await world.say(key, Said(reason=REASONS[disposition], message=message, clear=hint))
    if news:
        await _log(world, key, error, reference, message)
        words = "waits for a person" if disposition is Disposition.STALL else "met a fault of ctl"
        await tell_of_stall(world, key, f"{words}: {message}", hint)
    return Wait(seconds=STALLED_SECONDS, outcome=reference)


async def troubled(world: World) -> set[Key]:
    """List the keys of which is said that they met an error; those of another version are none of ours."""
    keys: set[Key] = set()
    for name, said in (await all_said(world.rooms.store.marks)).items():
        if said.reason in REASONS.values():
            with suppress(NotFoundError):
                keys.add(Key.parse(name))
    return keys


async def unsay(world: World, key: Key) -> None:
    """Take back that a key met an error; what its reconciler itself says of it stays."""
    await tell_of_going_on(world, key)
    said = (await all_said(world.rooms.store.marks, str(key))).get(str(key))
    if said is not None and said.reason in REASONS.values():
        await world.say(key, None)


async def _log(world: World, key: Key, error: Exception, reference: str, message: str) -> None:
    """Write a stall down once, also for whoever runs the controller; of a bug with where it came from."""
    if not isinstance(error, ControllerError) or error.disposition is Disposition.BUG:
        text = world.rooms.masker.text("".join(traceback.format_exception(error)))
        LOG.error("cannot reconcile %s: %s", key, text)
    else:
        LOG.warning("%s waits for a person: %s", key, message)
    await world.rooms.activity.append(
        "stalled", world.rooms.actor, key=str(key), error=reference, message=message
    )
