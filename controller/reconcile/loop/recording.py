"""Recording what the loop decided: a run of one target with its jobs, and the key that has it driven.

Called by `targets` and `schedules`. Everything is durable before the key is added; a process that dies in between finds the run at its
next start.
"""

from collections.abc import Sequence
from dataclasses import replace

from controller.model.ids import RunId
from controller.model.plan import Plan
from controller.reconcile.carrying.submission import Order, jobs_of, run_of
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.world import World
from controller.reconcile.walk.seen import Seen


async def record(
    world: World,
    seen: Seen,
    plan: Plan,
    orders: Sequence[Order],
    *,
    title: str,
    id_: RunId | None = None,
) -> RunId | None:
    """Record a run of some orders, and have it driven; None where there are none.

    Args:
        world: everything.
        seen: what was planned from.
        plan: what was planned.
        orders: what is to be done.
        title: of the run.
        id_: the id of the run, where it was promised before; a new one else.

    Raises:
        LockedError: a job of one of the pairs is at work.
        SecretError: a secret of one of the jobs cannot be read.
        DeclarationError: a step would get an environment that no process can be given.
    """
    if not orders:
        return None
    rooms = world.rooms
    sha = None if seen.revision is None else seen.revision.sha
    names = {order.target for order in orders}
    run = run_of(rooms.ids, rooms.actor, rooms.clock.now(), title=title, plan=plan, commit=sha)
    run = replace(run, id=id_ or run.id)
    run = replace(run, orders={name: one for name, one in plan.orders.items() if name in names})
    project = seen.declaration.settings.name
    jobs = await rooms.aside.do(
        lambda: jobs_of(run, orders, rooms.ids, project=project, commit=sha)
    )
    await world.live.submit(run, jobs)
    for job, _ in jobs:
        world.counts.fire(job.trigger, 1)
    world.news.tell("run", run.id, title=title, state="recorded", jobs=len(jobs))
    await world.add(Key(Kind.RUN, run.id))
    return run.id
