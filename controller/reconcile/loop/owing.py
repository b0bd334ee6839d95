"""What the schedules keep beside the rows of their due times: since when one stands as it is, and which run is owed.

Called by `schedules` and `retention`. Both are marks of the state. A run is promised before its due time is claimed and settled when
it is recorded; whoever finds a promise later knows by the row and the run which of the two came to be.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from controller.model.declaration import Declaration
from controller.model.ids import RunId
from controller.model.schedule import Schedule
from controller.reconcile.loop.world import World

SINCE: Final = "schedule/since/"
OWED: Final = "schedule/owed/"
ROWS: Final = 1_000
"""Due times among which the one of a promise is looked for."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """The run that a due time is to have."""

    due: datetime
    run: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class _Since:
    """Since when a schedule stands as it is."""

    schedule: Schedule
    at: datetime


async def since(world: World, name: str, schedule: Schedule, now: datetime) -> datetime:
    """Say since when a schedule stands as it is; one that is new, or was changed, begins now.

    One that begins in the future was first seen by a clock that was ahead: it begins now, too.
    """
    marks = world.rooms.store.marks
    text = await marks.get(f"{SINCE}{name}")
    if text is not None:
        known = _decode(text, _Since)
        if known is not None and known.schedule == schedule and known.at <= now:
            return known.at
    await marks.put(f"{SINCE}{name}", _encode(_Since(schedule=schedule, at=now)))
    return now


async def promise(world: World, name: str, owed: Owed) -> None:
    """Write down which run a due time is to have, before it is claimed."""
    await world.rooms.store.marks.put(f"{OWED}{name}", _encode(owed))


async def owed(world: World, name: str) -> Owed | None:
    """Give the run that was promised and not settled."""
    text = await world.rooms.store.marks.get(f"{OWED}{name}")
    return None if text is None else _decode(text, Owed)


async def unpaid(world: World, name: str, owed: Owed) -> bool:
    """Say whether the due time was claimed for a run that was never recorded."""
    store = world.rooms.store
    rows = await store.dues.list(name, limit=ROWS)
    claimed = any(row.due == owed.due and row.run == owed.run for row in rows)
    return claimed and await store.runs.get(owed.run) is None


async def settle(world: World, name: str, owed: Owed) -> None:
    """Let go of a promise that was kept, or came to nothing."""
    await world.rooms.store.marks.swap(f"{OWED}{name}", _encode(owed), None)


async def forget(world: World, name: str) -> None:
    """Let go of all of a target without a schedule: one that comes back later makes up for nothing."""
    marks = world.rooms.store.marks
    for mark in (f"{SINCE}{name}", f"{OWED}{name}"):
        text = await marks.get(mark)
        if text is not None:
            await marks.swap(mark, text, None)


def scheduled(declaration: Declaration) -> set[str]:
    """Name the targets that have a schedule."""
    return {name for name, one in declaration.targets.items() if one.schedule is not None}


async def known(world: World) -> set[str]:
    """Name the targets of which something is kept."""
    marks = world.rooms.store.marks
    return {
        mark.removeprefix(prefix)
        for prefix in (SINCE, OWED)
        for mark in await marks.prefixed(prefix)
    }


def _encode(value: _Since | Owed) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str, kind: type[T]) -> T | None:
    """Read a mark; what another version wrote is none of ours."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return None
