"""Going on with a run that was halted: what of it is left, and whether that is still what was planned.

Called by `applying`; asks the store which jobs there were. A resumed run is a new run under the plan digest of the old one,
with the waves of the old one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from controller.errors import NotFoundError, RefusedError, StalePlanError
from controller.jobs.closing import ALL
from controller.jobs.job import UNREACHABLE
from controller.model.declaration import Declaration
from controller.model.ids import Digest
from controller.model.job import Job, Run, State, Trigger
from controller.model.plan import Action, Change, Plan
from controller.model.scope import Scope
from controller.planning.inputs import PairKey
from controller.planning.order import natural
from controller.planning.renames import renames
from controller.planning.summary import summarize
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.seen import Seen

FAILED: Final = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED})
BY_HAND: Final = frozenset({Trigger.MANUAL, Trigger.RETRY})
"""Why a job ran although its pair may have been in sync."""
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
        """The pairs that did not end well; they are tried again as if a person retried them."""
        return frozenset(key for key, job in self.left.items() if did_fail(job))

    @property
    def by_hand(self) -> frozenset[PairKey]:
        """The pairs that a person wanted to run whether they were in sync or not."""
        return frozenset(key for key, job in self.left.items() if job.trigger in BY_HAND)

    @property
    def heals(self) -> bool:
        """Whether drift was to be repaired."""
        return any(job.trigger is Trigger.DRIFT for job in self.left.values())


async def find(
    rooms: Rooms, declaration: Declaration, prefix: str, *, failed_only: bool
) -> Resumption:
    """Find a run by the beginning of its id, and what is left of it, under the names of today.

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
    names = renames(declaration)
    return Resumption(run=found[0], left={names.now(key): job for key, job in left.items()})


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
    """Say whether a job did not end well, or met a server that was not reached; one that never began is only left."""
    if job.reason == UNREACHABLE or job.state in FAILED:
        return True
    begun = job.started_at is not None or any(step.attempts for step in job.steps)
    return job.state is State.CANCELLED and begun


def aimed(seen: Seen, resumption: Resumption, overrides: Mapping[str, str]) -> Seen:
    """Look at nothing but the targets and servers of what is left, and let what failed be tried again.

    A target of what is left may be declared no longer: its undo is left.
    """
    servers = frozenset(server for _, server in resumption.left)
    return replace(
        seen,
        request=PlanRequest(targets=resumption.targets, heal=resumption.heals, overrides=overrides),
        scope=Scope(targets=frozenset(resumption.targets), servers=servers),
        retry=resumption.failed | resumption.by_hand,
        resuming=frozenset(resumption.targets),
    )


def narrowed(seen: Seen, plan: Plan, resumption: Resumption) -> Plan:
    """Keep of a plan what is left, in the waves it had.

    Raises:
        StalePlanError: a pair is wanted otherwise than it was when the run was planned.
    """
    guard_same(wanted_now(seen, plan), resumption)
    left = resumption.left
    kept = [
        replace(change, wave=job.wave)
        for change in plan.changes
        if (job := left.get((change.target, change.server))) is not None
        and not is_done(change, job)
    ]
    kept.sort(key=lambda change: (change.wave, change.target, natural(change.server)))
    return replace(plan, changes=tuple(kept), summary=summarize(kept))


def is_done(change: Change, job: Job) -> bool:
    """Say whether a pair that was to be tried again is in sync by now, whoever brought it there."""
    return change.action is Action.RUN and job.trigger not in BY_HAND


def wanted_now(seen: Seen, plan: Plan) -> dict[PairKey, Digest | None]:
    """Say what is wanted of each pair now, None where nothing is; pairs without a commit are left out."""
    leaving = {
        (change.target, change.server): change.after
        for change in plan.changes
        if change.action in {Action.REMOVE, Action.FORGET}
    }
    return leaving | {(pair.target, pair.server): pair.work.digest for pair in seen.pairs}


def guard_same(wanted: Mapping[PairKey, Digest | None], resumption: Resumption) -> None:
    """Refuse to go on with what is wanted otherwise now.

    Raises:
        StalePlanError: the first pair that is, with both digests.
    """
    for key, job in sorted(resumption.left.items()):
        now = wanted.get(key, job.digest)
        if now != job.digest:
            raise StalePlanError(
                f"cannot resume run {resumption.run.id}: target {key[0]} on {key[1]} was wanted as "
                f"{job.digest[:8]} then, and as {(now or 'nothing')[:8]} now",
                hint="ctl plan, then ctl apply",
            )


def resumed(run: Run, resumption: Resumption) -> Run:
    """Mark a run as the going on of another, under the plan digest of that."""
    return replace(run, resumes=resumption.run.id, plan_digest=resumption.run.plan_digest)
