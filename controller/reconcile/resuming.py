"""Going on with a run that was halted: what of it is left, and whether that is still what was planned.

Called by `applying`. A resumed run is a new run under the plan digest of the old one, with the waves of the old one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from controller.errors import NotFoundError, RefusedError, StalePlanError
from controller.jobs.engine import ALL
from controller.jobs.job import UNREACHABLE
from controller.model.job import Job, Run, State
from controller.model.plan import Change, Plan
from controller.planning.inputs import PairKey
from controller.reconcile.requests import PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.seen import Seen

FAILED: Final = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED, State.CANCELLED})
LOOK_BACK: Final = 10_000
"""So many of the newest runs are looked through for an id that begins as typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """The run that is gone on with, and by pair the jobs of it that are left."""

    run: Run
    left: Mapping[PairKey, Job] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of what is left, in order."""
        return tuple(sorted({target for target, _ in self.left}))

    @property
    def failed(self) -> frozenset[PairKey]:
        """The pairs that were begun and did not end well; they are tried again as if a person retried them."""
        return frozenset(key for key, job in self.left.items() if did_fail(job))


async def find(rooms: Rooms, prefix: str, *, failed_only: bool) -> Resumption:
    """Find a run by the beginning of its id, and what is left of it.

    Raises:
        NotFoundError: no run's id begins so, or several do.
        RefusedError: nothing of it is left, or it still goes on.
    """
    runs = await rooms.store.runs.list(limit=LOOK_BACK)
    found = [run for run in runs if run.id.startswith(prefix)]
    if len(found) != 1:
        said = "no run" if not found else f"{len(found)} runs"
        raise NotFoundError(f"cannot resume {prefix}: {said} of that id", hint="ctl jobs list")
    jobs = await _jobs_of(rooms, _chain(found[0], runs))
    if any(not job.state.ended for job in jobs):
        raise RefusedError(f"cannot resume run {found[0].id}: it still goes on", hint="ctl status")
    left = {
        (job.target, job.server): job
        for job in jobs
        if job.target is not None and is_left(job, failed_only=failed_only)
    }
    left = await _not_done_since(rooms, left)
    if not left:
        what = "failed" if failed_only else "is left"
        raise RefusedError(f"cannot resume run {found[0].id}: nothing of it {what}")
    return Resumption(run=found[0], left=left)


def _chain(run: Run, runs: Sequence[Run]) -> list[Run]:
    """List a run and those that it went on with, newest first: what it did not take up is left of those."""
    known = {each.id: each for each in runs}
    chain = [run]
    while chain[-1].resumes in known and len(chain) < len(runs):
        chain.append(known[chain[-1].resumes])
    return chain


async def _jobs_of(rooms: Rooms, chain: Iterable[Run]) -> tuple[Job, ...]:
    """List the jobs of runs, given newest first; of each pair the newest one."""
    found: dict[tuple[str | None, str], Job] = {}
    for run in chain:
        for job in await rooms.store.jobs.list(run=run.id, limit=ALL):
            found.setdefault((job.target, job.server), job)
    return tuple(found.values())


async def _not_done_since(rooms: Rooms, left: Mapping[PairKey, Job]) -> dict[PairKey, Job]:
    """Leave out the pairs on which another run ended well in the meantime."""
    found = dict(left)
    for target in sorted({target for target, _ in left}):
        for job in await rooms.store.jobs.list(target=target, limit=ALL):
            before = found.get((target, job.server))
            later = before is not None and job.created_at > before.created_at
            if later and job.state is State.SUCCEEDED:
                del found[target, job.server]
    return found


def is_left(job: Job, *, failed_only: bool) -> bool:
    """Say whether a resumed run would take a job up; what is lost waits for evidence first."""
    if job.state in {State.SUCCEEDED, State.LOST}:
        return False
    return did_fail(job) if failed_only else True


def did_fail(job: Job) -> bool:
    """Say whether a job was begun and did not end well, or met a server that was not reached."""
    begun = any(step.attempts for step in job.steps)
    return job.reason == UNREACHABLE or (
        job.state in FAILED and (begun or job.started_at is not None)
    )


def wanted_by(resumption: Resumption, overrides: Mapping[str, str]) -> PlanRequest:
    """Say what to plan: the targets of what is left."""
    return PlanRequest(targets=resumption.targets, overrides=overrides)


def resumed(run: Run, resumption: Resumption) -> Run:
    """Mark a run as the going on of another, under the plan digest of that."""
    return replace(run, resumes=resumption.run.id, plan_digest=resumption.run.plan_digest)


def asked_again(seen: Seen, resumption: Resumption) -> Seen:
    """Narrow what was loaded to the servers of what is left, and let what failed be tried again."""
    servers = frozenset(server for _, server in resumption.left)
    return replace(
        seen,
        scope=replace(seen.scope, servers=servers),
        retry=resumption.failed,
        resuming=frozenset(resumption.targets),
    )


def narrow(plan: Plan, changes: tuple[Change, ...], resumption: Resumption) -> tuple[Change, ...]:
    """Keep the changes of what is left, in the waves they had.

    Raises:
        StalePlanError: a pair is wanted otherwise than it was when the run was planned.
    """
    for change in plan.changes:
        job = resumption.left.get((change.target, change.server))
        if job is not None and change.after != job.digest and change.runs:
            raise StalePlanError(
                f"cannot resume run {resumption.run.id}: target {change.target} on {change.server} was wanted as "
                f"{job.digest[:8]} then, and as {(change.after or 'nothing')[:8]} now",
                hint="ctl plan, then ctl apply",
            )
    kept = (change for change in changes if (change.target, change.server) in resumption.left)
    return tuple(
        replace(change, wave=resumption.left[change.target, change.server].wave) for change in kept
    )
