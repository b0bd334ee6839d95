"""Whether a job may run again as it was recorded: every gate holds for a retry but the one that its failure set.

Called by `desk`.
"""

from datetime import datetime
from typing import Final

from controller.errors import RefusedError
from controller.model.declaration import Declaration
from controller.model.job import Job, State
from controller.model.plan import Gate
from controller.model.standing import Standing
from controller.planning.gates import GateResult, first_no
from controller.planning.renames import renames
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk import asking
from controller.reconcile.walk.seen import Seen

UNASKED: Final = frozenset({Gate.OFFLINE, Gate.LAST_FAILED})
"""A server that does not answer is met by the job itself; what failed last is what a retry is for."""


async def guard(rooms: Rooms, seen: Seen, job: Job) -> None:
    """Refuse what a person has switched off since, what a gate holds, and what may still run under another job.

    Raises:
        RefusedError: the job may not run now; the hint clears it.
    """
    server = seen.declaration.inventory.servers.get(job.server)
    if server is not None and not server.active:
        raise RefusedError(f"cannot retry job {job.id}: server {server.name} is inactive")
    record = await rooms.store.records.get(job.target or "", job.server)
    tried = None if record is None else record.tried
    if tried is not None and tried.state is State.LOST:
        raise RefusedError(
            f"cannot retry job {job.id}: nobody knows how run {tried.run} ended there",
            hint="ctl jobs list, then ctl jobs resolve JOB --as succeeded|failed --reason TEXT",
        )
    rolled_back(job, await rooms.store.standings.all(), rooms.clock.now())
    renamed(seen.declaration, job)
    blocker = await held(rooms, seen, job)
    if blocker is not None:
        raise RefusedError(
            f"cannot retry job {job.id}: {blocker.gate}: {blocker.message}", hint=blocker.clear
        )


def renamed(declaration: Declaration, job: Job) -> None:
    """Refuse a job of a pair that has another name today: it would mark the server with the earlier one."""
    key = (job.target or "", job.server)
    now = renames(declaration).now(key)
    if now != key:
        raise RefusedError(
            f"cannot retry job {job.id}: {key[0]} on {key[1]} is now {now[0]} on {now[1]}",
            hint=f"ctl run --target {now[0]} --on {now[1]}",
        )


def rolled_back(job: Job, standing: Standing, now: datetime) -> None:
    """Refuse a job of a commit that its target was taken back from."""
    pin = standing.pins.get(job.target or "")
    if pin is None or (pin.until is not None and pin.until <= now):
        return
    if job.commit == pin.bad:
        raise RefusedError(
            f"cannot retry job {job.id}: {pin.by} rolled {pin.target} back from {pin.bad[:7]}: {pin.reason}",
            hint=f"ctl rollback {pin.target} --lift --reason TEXT",
        )


async def held(rooms: Rooms, seen: Seen, job: Job) -> GateResult | None:
    """Find the gate that holds a job's pair back now; None for what has no target, or is no longer declared."""
    target = None if job.target is None else seen.declaration.targets.get(job.target)
    if target is None or job.server not in target.members:
        return None
    asked = await asking.ask(rooms, (target.name, job.server), retry=True)
    return first_no(result for result in asked if result.gate not in UNASKED)
