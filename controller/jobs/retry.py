"""Trying again: when the next attempt of a step is due, and a new job like an old one.

Pure. `step` asks for the pause; `reconcile` makes the job for `ctl jobs retry`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from controller.jobs.ending import DECISION, UNDONE
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job, JobBody, State, StepRun, Trigger
from controller.model.task import Retry

LONGEST_DELAY: Final = 86_400.0
"""Seconds between two tries at most: a back-off must not wait for ever."""


def due(retry: Retry, failures: int, last_end: datetime) -> datetime:
    """Say when the try after `failures` (at least 1) failed ones may begin."""
    try:
        delay = retry.delay * retry.backoff ** (failures - 1)
    except OverflowError:
        delay = LONGEST_DELAY
    return last_end + timedelta(seconds=min(delay, LONGEST_DELAY))


def again(
    job: Job,
    body: JobBody,
    *,
    id_: JobId,
    run: RunId,
    now: datetime,
    expect: Digest | None,
    failed_only: bool = False,
) -> tuple[Job, JobBody]:
    """Make a new job that does the work of an ended one once more.

    Args:
        job: the job that ended.
        body: what it was recorded with.
        id_: the new job's id.
        run: the run the new job belongs to.
        now: when this is.
        expect: SHA-256 of the marker that is there now, None when there is none.
        failed_only: take over the steps that succeeded, with their outputs, instead of running them again. Of a change
            that was undone nothing is left to be taken over.
    """
    same = f"succeeded in job {job.id}"
    undone = any(step.outputs.get(DECISION) == UNDONE for step in job.steps)
    whole = not failed_only or undone
    done = {} if whole else {s.name: s for s in job.steps if s.state is State.SUCCEEDED}
    steps = tuple(
        StepRun(name=s.name, state=s.state, exit_code=s.exit_code, outputs=s.outputs, reason=same)
        if (s := done.get(step.name)) is not None
        else StepRun(name=step.name)
        for step in body.work.steps
    )
    new = Job(
        id=id_,
        run=run,
        target=job.target,
        task=job.task,
        server=job.server,
        trigger=Trigger.RETRY,
        cause=f"retry of job {job.id}, which is {job.state}",
        digest=job.digest,
        commit=job.commit,
        branch=job.branch,
        previous_commit=job.previous_commit,
        config_commit=job.config_commit,
        created_at=now,
        owner=job.owner,
        steps=steps,
    )
    return new, replace(body, job=id_, expect=expect)
