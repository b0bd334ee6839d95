"""What people are told of a key that does not go on, as a notice; and that it does again.

Called by `switch`, which decides that; posts to the noticeboard, which never tells the same trouble twice.
"""

from dataclasses import replace
from typing import Final

from controller.model.notice import Notice, Occasion
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.world import World

PROBLEM: Final = "stalled"
OF_TARGETS: Final = frozenset({Kind.TARGET, Kind.SCHEDULE})
"""Kinds whose name is that of a target, whose `notify:` list chooses who hears of it."""


async def tell_of_stall(world: World, key: Key, words: str, clear: str | None) -> None:
    """Tell that a key does not go on, in words that begin with a verb; `clear` is what helps."""
    notice = _notice(world, key, Occasion.STALLED, f"{key} {words}")
    lines = () if clear is None else (f"remedy: {clear}",)
    await world.notices.post(replace(notice, lines=lines, problem=_problem(key)))


async def tell_of_going_on(world: World, key: Key) -> None:
    """Tell that a key goes on, where people were told that it does not."""
    notice = _notice(world, key, Occasion.RECOVERED, f"{key} goes on")
    await world.notices.over(notice.subject, _problem(key), notice)


def _notice(world: World, key: Key, occasion: Occasion, title: str) -> Notice:
    target = key.name if key.kind in OF_TARGETS else None
    return Notice(
        id=world.rooms.ids(),
        at=world.rooms.clock.now(),
        occasion=occasion,
        subject=str(key) if target is None else f"target/{target}",
        title=title,
        facts={"key": str(key)},
        target=target,
    )


def _problem(key: Key) -> str:
    return f"{PROBLEM}-{key.kind}"
