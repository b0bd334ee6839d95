"""What others may change while a target is planned: the declarations, what people decided of it, and its jobs.

Called by `targets` and `schedules`, which decide nothing on a plan that is older than one of these. Calls the store.
"""

from dataclasses import dataclass

from controller.model.declaration import Declaration
from controller.model.ids import JobId
from controller.model.job import Job
from controller.model.standing import Standing
from controller.planning.renames import renames
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The jobs of a target at a moment: those that have not ended, and the newest of all."""

    going: tuple[Job, ...]
    newest: JobId | None

    def missed_by(self, later: "Jobs") -> bool:
        """Say whether a plan made until later may miss what a job did: one ended meanwhile, or came and went."""
        going = {job.id for job in later.going}
        came = later.newest != self.newest and later.newest not in going
        return came or any(job.id not in going for job in self.going)


async def jobs_now(world: World, generation: Generation, name: str) -> Jobs:
    """Say which jobs of a target there are."""
    newest = await world.rooms.store.jobs.list(target=name, limit=1)
    going = await open_jobs(world, generation, name)
    return Jobs(going=tuple(going), newest=newest[0].id if newest else None)


async def open_jobs(world: World, generation: Generation, name: str) -> list[Job]:
    """List the jobs of a target that have not ended, those included that began under its earlier name."""
    names = names_of(generation.declaration, name)
    return [
        job
        for job in await world.rooms.store.jobs.open()
        if job.target in names and not job.state.ended
    ]


def names_of(declaration: Declaration, name: str) -> frozenset[str]:
    """Give the name of a target, and the earlier one that is nobody else's."""
    target = declaration.targets.get(name)
    if target is None or target.was is None:
        return frozenset({name})
    return frozenset(
        {name, *(was for was, now in renames(declaration).targets.items() if now == name)}
    )


async def other_word(world: World, generation: Generation, standing: Standing, name: str) -> bool:
    """Say whether other declarations are in force by now, or somebody decided something of a target since."""
    if world.generation is not generation:
        return True
    return _of(await world.rooms.store.standings.all(), name) != _of(standing, name)


def _of(standing: Standing, name: str) -> tuple[object, ...]:
    """Give what people decided of one target."""
    return (
        standing.suspensions.get(name),
        standing.pins.get(name),
        tuple(one for one in standing.approvals if one.target == name),
        tuple(one for one in standing.ignores if one.target == name),
    )
