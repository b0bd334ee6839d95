"""The reconciler of `expiry`: people are warned of what ends soon, and targets are looked at when what held them ends.

One of `table`. Calls `endings` for what there is, `planning.expiry` for what is due. Each warning has a name of its own, which is kept
in a mark by subject after it was posted; a crash in between posts the same notice again, which the outbox takes once.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from controller.model.notice import Notice, Occasion
from controller.planning.expiry import Ending, Warn, next_warning, title_of, warnings
from controller.reconcile.endings import (
    certificate_endings,
    decided_ends,
    secret_endings,
    token_endings,
)
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import After, Result
from controller.reconcile.loop.world import World

TOLD: Final = "expiry/told/"
"""Begin of the names of marks that hold by subject the newest warning that was given."""
LOOKED: Final = "expiry/looked"
"""The mark of the moment up to which ends of suspensions, pins and ignores were acted on."""
LONGEST: Final = timedelta(days=1)
"""Between two looks: tokens and certificates are made by others, who need not say so."""
SOONEST: Final = timedelta(seconds=1)


async def reconcile(world: World, name: str) -> Result:
    """Warn of what is due, look at what is free again, and come back when the next of both is due."""
    del name
    generation = world.generation
    if generation is None:
        return After(LONGEST.total_seconds(), "no declarations are in force")
    now = world.rooms.clock.now()
    endings = await _endings(world, generation, now)
    told = {
        mark.removeprefix(TOLD): key
        for mark, key in (await world.rooms.store.marks.prefixed(TOLD)).items()
    }
    for warn in warnings(endings, told, now):
        await _tell(world, warn, now)
    await _forget(world, told, endings)
    freed = await _free(world, generation, now)
    moments = (at for at in (next_warning(endings, now), freed) if at is not None)
    until = min((*moments, now + LONGEST))
    return After(max(until - now, SOONEST).total_seconds(), "something ends")


async def _endings(world: World, generation: Generation, now: datetime) -> list[Ending]:
    rooms = world.rooms
    papers = world.papers
    certificates: Iterable[Ending] = ()
    if papers is not None:
        certificates = await asyncio.to_thread(certificate_endings, papers, now)
    return [
        *secret_endings(generation.declaration, now),
        *token_endings(await rooms.store.tokens.all(), now),
        *certificates,
    ]


async def _tell(world: World, warn: Warn, now: datetime) -> None:
    ending = warn.ending
    name = f"{ending.subject} {warn.key}"
    await world.rooms.activity.append(
        "expiring",
        world.rooms.actor,
        subject=ending.subject,
        ends=ending.ends.isoformat(),
        days=warn.days,
    )
    await world.notices.post(
        Notice(
            id=f"expiring-{sha256(name.encode()).hexdigest()[:24]}",
            at=now,
            occasion=Occasion.EXPIRING,
            subject=ending.subject,
            title=title_of(warn, now),
            lines=ending.lines,
            facts={**ending.facts, "ends": ending.ends.isoformat(), "days": warn.days},
        )
    )
    await world.rooms.store.marks.put(f"{TOLD}{ending.subject}", warn.key)


async def _forget(world: World, told: dict[str, str], endings: Iterable[Ending]) -> None:
    """Let go of marks of what is no more."""
    left = {one.subject for one in endings}
    for subject, key in told.items():
        if subject not in left:
            await world.rooms.store.marks.swap(f"{TOLD}{subject}", key, None)


async def _free(world: World, generation: Generation, now: datetime) -> datetime | None:
    """Have the targets looked at that something held until now; say when the next is free."""
    marks = world.rooms.store.marks
    mark = await marks.get(LOOKED)
    since = now if mark is None else datetime.fromisoformat(mark)
    standing = await world.rooms.store.standings.all()
    ends = sorted(decided_ends(generation.declaration, standing))
    for target in {name for until, name in ends if since < until <= now}:
        await world.add(Key(Kind.TARGET, target))
    await marks.put(LOOKED, now.isoformat())
    return next((until for until, _ in ends if until > now), None)
