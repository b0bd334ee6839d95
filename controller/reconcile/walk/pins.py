"""Pins: which commit a target is held at, and when it is let go.

Called by `repos`; calls the mirrors. Deciding only reads; what is over is deleted from the state by `lift`, with a line in the
activity log.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.errors import NotFoundError
from controller.model.declaration import Repo, Target
from controller.model.plan import Blocker, Gate
from controller.model.revision import Revision
from controller.model.standing import Pin, Standing
from controller.reconcile.rooms import Rooms
from controller.source.mirrors import Mirrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the pin of a target makes of the head of its repo.

    `revision` is the commit that counts, None where the pinned one is gone; `blocker` says so. `over` says why the pin is
    let go, None while it stands or where there is none.
    """

    revision: Revision | None
    pin: Pin | None = None
    over: str | None = None
    blocker: Blocker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """Pins that are let go, with the reason for each."""

    pins: tuple[tuple[Pin, str], ...] = field(default=())

    def left_of(self, standing: Standing) -> Standing:
        """Give what stands without them."""
        gone = {pin.target for pin, _ in self.pins}
        if not gone:
            return standing
        left = {name: pin for name, pin in standing.pins.items() if name not in gone}
        return replace(standing, pins=left)


def over(answers: Iterable[Held]) -> Over:
    """Gather the pins that are let go."""
    return Over(
        pins=tuple(
            (held.pin, held.over)
            for held in answers
            if held.pin is not None and held.over is not None
        )
    )


def pin_of(standing: Standing, target: Target, repo: Repo) -> Pin | None:
    """Find the pin of a target; one of another repo says nothing of this one."""
    pin = standing.pins.get(target.name)
    return pin if pin is not None and pin.repo in {repo.name, repo.was} else None


async def hold(
    mirrors: Mirrors, pin: Pin | None, repo: Repo, head: Revision, now: datetime
) -> Held:
    """Say which commit counts for a target."""
    if pin is None:
        return Held(revision=head)
    reason = await why_over(mirrors, pin, repo, head, now)
    if reason is not None:
        return Held(revision=head, pin=pin, over=reason)
    try:
        pinned = await mirrors.revision(repo, pin.commit)
    except NotFoundError:
        message = f"target {pin.target} is pinned at {pin.commit[:7]}, which {repo.name} has lost"
        clear = f"ctl rollback {pin.target} --lift --reason TEXT"
        blocker = Blocker(gate=Gate.SOURCE, message=message, clear=clear)
        return Held(revision=None, pin=pin, blocker=blocker)
    return Held(revision=pinned, pin=pin)


async def why_over(
    mirrors: Mirrors, pin: Pin, repo: Repo, head: Revision, now: datetime
) -> str | None:
    """Say why a pin no longer holds, None while it does."""
    if pin.until is not None and pin.until <= now:
        return f"it was to stand until {pin.until:%Y-%m-%d %H:%M} UTC"
    if head.sha == pin.bad or not await mirrors.descends(repo, pin.bad, head.sha):
        return None
    if not pin.files:
        return f"commit {head.short} follows {pin.bad[:7]}"
    changed = set(await mirrors.changed(repo, pin.bad, head.sha, ()))
    again = [path for path in pin.files if path in changed]
    return f"commit {head.short} changes {again[0]} since {pin.bad[:7]}" if again else None


async def lift(rooms: Rooms, found: Over) -> None:
    """Delete pins that are over; while another command holds the state they are left to it."""
    if not found.pins:
        return
    async with rooms.saving() as free:
        if not free:
            return
        for pin, reason in found.pins:
            told = {"target": pin.target, "repo": pin.repo, "commit": pin.commit, "bad": pin.bad}
            await rooms.activity.append("pin-lifting", rooms.actor, **told, reason=reason)
            if await rooms.store.standings.lift(pin):
                await rooms.activity.conclude("pin-lifted", rooms.actor, **told, reason=reason)
