"""The end of a run: it is over when none of its jobs is open, and which of its targets are halted is written down.

Used by `engine` and `shift`; calls the store and the activity log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from controller.jobs.crew import Crew
from controller.jobs.job import UNREACHABLE
from controller.jobs.machine import Signal
from controller.jobs.reasons import HALTED
from controller.jobs.tally import Fate, fate_of, halted
from controller.model.ids import RunId
from controller.model.job import Job

ALL: Final = 1_000_000
"""More jobs than a run can have."""


async def finish_if_over(crew: Crew, id_: RunId) -> None:
    """Record that a run is over when none of its jobs is open, and which targets of it are halted.

    Raises:
        StateError: the store cannot be written any more.
    """
    store = crew.equipment.store
    run = await store.runs.get(id_)
    if run is None:
        return
    jobs = await store.jobs.list(run=id_, limit=ALL)
    if run.orders:
        await record_halts(crew, id_, halted(run.orders, jobs))
        run = await store.runs.get(id_) or run
    if run.finished_at is None and all(job.state.ended for job in jobs):
        await store.runs.finish(replace(run, finished_at=crew.equipment.clock.now()))


async def drop(crew: Crew, jobs: Sequence[Job]) -> None:
    """End jobs of which nothing ever left: those of a rollout that is halted as such, the others to be planned anew.

    Raises:
        StateError: the store cannot be written any more.
    """
    halts = {run: await halts_of(crew, run) for run in dict.fromkeys(job.run for job in jobs)}
    for job in jobs:
        if job.target in halts[job.run]:
            why = UNREACHABLE if fate_of(job) is Fate.UNREACHABLE else HALTED
            await crew.end(job, Signal.SKIP, why)
        else:
            await crew.end(job, Signal.CANCEL, "it never began, and is planned anew")
        if crew.fatal is not None:
            raise crew.fatal


async def halts_of(crew: Crew, id_: RunId) -> Mapping[str, str]:
    """Say which targets of a run are halted; what its controller had no time to write down is written down now."""
    store = crew.equipment.store
    run = await store.runs.get(id_)
    if run is None or not run.orders:
        return {}
    found = halted(run.orders, await store.jobs.list(run=id_, limit=ALL))
    await record_halts(crew, id_, found)
    return {**run.halted, **found}


async def record_halts(crew: Crew, id_: RunId, found: Mapping[str, str]) -> None:
    """Add to a run why nothing more of targets starts; what is new is told.

    Raises:
        StateError: the store cannot be written any more.
    """
    equipment = crew.equipment
    run = await equipment.store.runs.get(id_)
    if run is None or found.items() <= run.halted.items():
        return
    await equipment.store.runs.finish(replace(run, halted={**run.halted, **found}))
    for target in found.keys() - run.halted.keys():
        told = {"run": id_, "target": target, "reason": found[target]}
        await equipment.activity.append("rollout-halted", equipment.actor, **told)
