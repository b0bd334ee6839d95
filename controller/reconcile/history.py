"""What ran of a target: one line for each run."""

from controller.reconcile.carrying.standing import declared, guard_known
from controller.reconcile.exchange.decisions import PastRun
from controller.reconcile.rooms import Rooms


async def history(rooms: Rooms, name: str, *, limit: int = 20) -> tuple[PastRun, ...]:
    """List the runs of a target, newest first; one that is no longer declared has a history, too.

    Raises:
        NotFoundError: there is no such target, and nothing of that name ever ran.
    """
    sums = await rooms.store.jobs.past(name, limit=limit)
    if not sums:
        guard_known(await declared(rooms), name)
    return tuple([PastRun(sums=one, run=await rooms.store.runs.get(one.run)) for one in sums])
