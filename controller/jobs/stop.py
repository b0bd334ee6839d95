"""Stopping: the wish is recorded first, then every process of the job is ended on its server.

Called by `engine`; calls the session. Whoever drives the job, here or in another process, sees its attempts end as
stopped and sends nothing more: it asks for the wish after it recorded an attempt and before it sends it, and here the
attempts are read after the wish was recorded, so one of both sees the other. A step between two tries is not tried again.
"""

from functools import partial

from controller.errors import NotFoundError, RefusedError
from controller.jobs.link import Link
from controller.jobs.pace import GUARD
from controller.jobs.ports import Equipment
from controller.jobs.recovery import unsettled
from controller.model.ids import AttemptId, JobId
from controller.model.job import Job, State
from controller.transport.port import Session


async def stop_on_server(
    equipment: Equipment, link: Link, id_: JobId, *, step: str | None, grace: float
) -> None:
    """Record the wish, and end what runs; return when nothing of it is left.

    Raises:
        NotFoundError: there is no such job or step.
        RefusedError: it has ended.
        TransportError: the server is not reached.
    """
    jobs = equipment.store.jobs
    if step is None and not await jobs.request_stop(id_):
        raise RefusedError(f"cannot stop job {id_}: it has ended")
    job = await jobs.get(id_)
    if job is None:
        raise NotFoundError(f"cannot stop job {id_}: it was never recorded")
    attempts = _running(job, step)
    if step is not None:
        await jobs.wish(id_, lambda now: now.with_stop(step))
    told = {"run": job.run, "job": job.id, "server": job.server, "step": step}
    await equipment.activity.append("job-stopping", equipment.actor, **told)
    if attempts:
        await link.session()  # a server that is not reached is said at once
        for attempt in attempts:
            await link.through(partial(_stop, attempt=attempt, grace=grace))
    await equipment.activity.conclude("job-stopped", equipment.actor, **told)


def _running(job: Job, step: str | None) -> tuple[AttemptId, ...]:
    """List what may run of a job, or of one of its steps; what undoes the change is left to do so."""
    if step is None:
        guard = {each.id for run in job.steps if run.name == GUARD for each in run.attempts}
        return tuple(each.id for each in unsettled(job) if each.id not in guard)
    found = next((each for each in job.steps if each.name == step), None)
    if found is None:
        names = ", ".join(each.name for each in job.steps)
        raise NotFoundError(
            f"cannot stop step {step}: job {job.id} has none of that name", hint=f"it has {names}"
        )
    running = tuple(attempt.id for attempt in found.attempts if attempt in unsettled(job))
    if not running and found.state not in {State.RUNNING, State.PAUSED}:
        raise RefusedError(f"cannot stop step {step} of job {job.id}: it is {found.state}")
    return running


async def _stop(session: Session, *, attempt: AttemptId, grace: float) -> None:
    await session.stop(attempt, grace=grace)
