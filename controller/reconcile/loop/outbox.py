"""Sending what waits in the outbox: a bounded number at a time, in a bounded time, with the fate of each letter kept.

A reconciler of the loop. Letters that belong together are made one message before it goes out; a process that dies between sending and
keeping sends again under the same id. A receiver that does not take one letter gets no further one in the same round, so that
one that hangs holds up nobody but itself.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

from controller.model.notice import Delivery, Letter
from controller.notify import posting
from controller.notify.posting import Bundle
from controller.notify.trouble import NotifyError
from controller.reconcile.loop.postman import deliver
from controller.reconcile.loop.result import NOT_YET, After, Done, Result
from controller.reconcile.loop.world import World

READ: Final = 5000
"""Letters that wait which one round looks at; the next round takes further ones."""
RECEIVERS: Final = 8
"""Receivers that are written to at the same time."""
ROUND: Final = 120.0
"""Seconds after which a round begins no further letter."""
FOREVER: Final = timedelta(days=36_500)
JITTER: Final = random.SystemRandom()

_LAST: "WeakKeyDictionary[World, dict[str, datetime]]" = WeakKeyDictionary()
"""When this process last wrote to a receiver about servers; a restart forgets it, and then one message comes earlier."""


async def reconcile(world: World, name: str) -> Result:
    """Send what is due, and say when there is more."""
    if world.generation is None:
        return NOT_YET
    again = await world.notices.settle()
    now = world.rooms.clock.now()
    waiting = await _bundles(world)
    due = [bundle for moment, bundle in waiting if moment <= now]
    if not due:
        # It is so after nearly every run: what waits is read once.
        return _next(waiting, again, now)
    by_receiver: dict[str, list[Bundle]] = {}
    for bundle in due:
        by_receiver.setdefault(bundle.head.receiver, []).append(bundle)
    free = asyncio.Semaphore(RECEIVERS)
    until = now + timedelta(seconds=ROUND)
    async with asyncio.TaskGroup() as group:
        for bundles in by_receiver.values():
            group.create_task(_write_to(world, bundles, free, until))
    return _next(await _bundles(world), again, world.rooms.clock.now())


def _next(
    waiting: Sequence[tuple[datetime, Bundle]], again: datetime | None, now: datetime
) -> Result:
    """Say when there is something to do: the next letter, or the next that time alone brings."""
    moments = [moment for moment, _ in waiting]
    if again is not None:
        moments.append(again)
    if not moments:
        return Done()
    seconds = max(0.0, (min(moments) - now).total_seconds())
    return After(seconds, "messages wait" if waiting else "troubles stand")


async def _bundles(world: World) -> list[tuple[datetime, Bundle]]:
    """Make messages of the letters that wait, each with the moment at which it is due."""
    ever = world.rooms.clock.now() + FOREVER
    waiting = await world.rooms.store.outbox.waiting(ever, limit=READ)
    last = _LAST.setdefault(world, {})
    return [
        (posting.due_of(bundle, last.get(bundle.head.receiver)), bundle)
        for bundle in posting.bundles(waiting)
    ]


async def _write_to(
    world: World, bundles: Sequence[Bundle], free: asyncio.Semaphore, until: datetime
) -> None:
    """Send the messages to one receiver, one after the other, until one is not taken."""
    async with free:
        for place, bundle in enumerate(bundles):
            if world.rooms.clock.now() >= until:
                return
            outcome = await _send(world, bundle)
            if outcome.state is Delivery.WAITING:
                rest = [posting.postponed(one.head, outcome.due) for one in bundles[place + 1 :]]
                await world.rooms.store.outbox.put(rest)
                return


async def _send(world: World, bundle: Bundle) -> Letter:
    """Send one message and keep how that went."""
    outbox, clock = world.rooms.store.outbox, world.rooms.clock
    if bundle.merged:
        await outbox.put(bundle.letters)
    letter = bundle.head
    try:
        await deliver(world, letter)
    except NotifyError as error:
        after = posting.failed(letter, error, clock.now(), jitter=JITTER.random())
    else:
        after = posting.sent(letter, clock.now())
        if posting.is_about_servers(letter):
            _LAST.setdefault(world, {})[letter.receiver] = clock.now()
    await outbox.put([after])
    if after.state is Delivery.DEAD:
        told = {"receiver": after.receiver, "letter": after.id, "error": after.error}
        await world.rooms.activity.append("letter-given-up", world.rooms.actor, **told)
    world.news.tell(
        "letter", after.id, receiver=after.receiver, state=after.state, tries=after.tries
    )
    return after
