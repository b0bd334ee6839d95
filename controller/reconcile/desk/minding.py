"""Jobs that go on, minded by people: stopped, held, let go on. What they need of declarations is how servers are reached.

Called by the desk; calls the engine.
"""

from controller.model.ids import JobId
from controller.model.job import Job
from controller.reconcile.engines import RunEngine
from controller.reconcile.rooms import Reach, Rooms
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk
from controller.source.place import MARK


async def reach_now(rooms: Rooms) -> Reach:
    """Give what lets servers be reached; a state of a person's own, without a config repository, has no declarations."""
    if rooms.in_force() is None and not (rooms.config.root / MARK).is_file():
        return rooms.reach(Seen().declaration, b"")
    return reach_of(await walk(rooms, Seen(), (see_config, load)))


async def engine_now(rooms: Rooms) -> RunEngine:
    """Give an engine for the servers as they are declared now."""
    return rooms.engine(await reach_now(rooms))


async def stop(rooms: Rooms, job: JobId, *, step: str | None, grace: float) -> Job:
    """Stop a job, or one step of it, and wait until nothing of it is left."""
    engine = await engine_now(rooms)
    async with rooms.saving() as alone:
        return await engine.stop(job, step=step, grace=grace, alone=alone)


async def pause(rooms: Rooms, job: JobId, *, step: str | None, seconds: float) -> Job:
    """Hold a job, or one step of it, and wait until that is written down."""
    engine = await engine_now(rooms)
    async with rooms.saving() as alone:
        return await engine.holding.pause(job, step=step, seconds=seconds, alone=alone)


async def resume(rooms: Rooms, job: JobId) -> Job:
    """Let a held job go on, and wait until that is written down."""
    engine = await engine_now(rooms)
    async with rooms.saving() as alone:
        return await engine.holding.resume(job, alone=alone)
