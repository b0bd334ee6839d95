"""What is told of servers that are down: a line in the connectivity log, and a notice to people; and of their return.

Called by `servers`. One outage takes many servers away, so the notices of all are told together.
"""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Final

from controller.model.notice import Notice, Occasion
from controller.model.serving import Contact
from controller.planning.contacts import Turn, turn
from controller.reconcile.loop.world import World

PROBLEM: Final = "unreachable"
GROUP: Final = "servers/unreachable"


async def tell_of_turn(world: World, before: Contact | None, after: Contact) -> None:
    """Tell people of a server that is down now, or is back."""
    now, name = after.checked_at, after.server
    match turn(before, after):
        case Turn.DOWN:
            told = {
                "since": after.since.isoformat(),
                "failures": after.failures,
                "cause": None if after.cause is None else after.cause.value,
            }
            await world.rooms.connectivity.append("down", world.rooms.actor, server=name, **told)
            cause = "" if after.cause is None else f" ({after.cause.value})"
            title = f"server {name} is down since {after.since:%Y-%m-%d %H:%M} UTC{cause}"
            await world.notices.post(
                replace(
                    _notice(Occasion.UNREACHABLE, name, now, title),
                    lines=(after.message,) if after.message else (),
                    facts={"server": name, **told},
                    problem=PROBLEM,
                )
            )
        case Turn.BACK:
            seconds = 0.0 if before is None else max(0.0, (now - before.since).total_seconds())
            await world.rooms.connectivity.append(
                "back", world.rooms.actor, server=name, down_seconds=seconds
            )
            title = f"server {name} is back after {_span(seconds)}"
            await world.notices.over(
                f"server/{name}",
                PROBLEM,
                replace(
                    _notice(Occasion.RECOVERED, name, now, title),
                    facts={"server": name, "down_seconds": seconds},
                ),
            )
        case Turn.NOTHING:
            return


async def tell_gone(world: World, name: str) -> None:
    """Tell that a server that was down is nobody's business any more."""
    title = f"server {name} is no longer declared"
    notice = _notice(Occasion.RECOVERED, name, world.rooms.clock.now(), title)
    await world.notices.over(f"server/{name}", PROBLEM, notice)


def _notice(occasion: Occasion, server: str, at: datetime, title: str) -> Notice:
    """Make a notice whose id is the same when the same is told again after a crash."""
    told = sha256(f"{occasion} {server} {at.isoformat()}".encode()).hexdigest()[:24]
    return Notice(
        id=f"server-{told}",
        at=at,
        occasion=occasion,
        subject=f"server/{server}",
        title=title,
        group=GROUP,
    )


def _span(seconds: float) -> str:
    """Write a length of time, rounded."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
