"""`ctl apply`: settle what was left behind, walk, guard, submit, carry out."""

from dataclasses import replace
from datetime import datetime

from controller.errors import RefusedError, StalePlanError
from controller.jobs.report import RunReport as EngineReport
from controller.model.diagnostic import Severity
from controller.model.job import Run
from controller.model.plan import Action, Change, Plan
from controller.planning import applying, stale
from controller.reconcile.carrying import planfiles, resuming
from controller.reconcile.carrying.forgetting import forget
from controller.reconcile.carrying.resuming import Resumption
from controller.reconcile.carrying.submission import jobs_of, orders_of, run_of
from controller.reconcile.carrying.upkeep import keep_in_step
from controller.reconcile.engines import RunEngine
from controller.reconcile.exchange.progress import Progress, Stage
from controller.reconcile.exchange.reports import ApplyOutcome, RunReport, RunSummary
from controller.reconcile.exchange.requests import ApplyRequest, PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.deciding import plan_of, refuse
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import EMPTY_PLAN_DIGEST, Seen
from controller.reconcile.walk.steps import DECIDE, LOOK, walk


async def apply(rooms: Rooms, request: ApplyRequest) -> ApplyOutcome:
    """Carry out a plan made now, or exactly a saved one.

    Raises:
        RefusedError: declarations are not committed, the saved plan is stale, or somebody holds what is needed.
    """
    before = await saved_plan(rooms, request)
    seen = await walk(rooms, Seen(request=wanted_of(request, before)), LOOK)
    own = planfiles.lying_in(rooms.config.root, request.planfile)
    guard_committed(seen, allow_dirty=request.allow_dirty, own=own)
    engine = rooms.engine(reach_of(seen))
    started = rooms.clock.now()
    if not await settle(rooms, engine, request):
        return waiting_outcome(seen, rooms)
    request = replace(request, timeout=left_of(rooms, request.timeout, started))
    resumption = await resumption_of(rooms, seen, request)
    if resumption is not None:
        seen = resuming.aimed(seen, resumption, request.overrides)
    seen = await walk(rooms, seen, DECIDE)
    plan = plan_of(seen)
    if resumption is not None:
        plan = resuming.narrowed(seen, plan, resumption)
    guard_whole(rooms, seen, plan)
    guard_fresh(before, plan)
    guard_budget(plan)
    changes = applying.apply_set(plan, saved=before)
    if changes and before is None and not request.confirm(plan):
        return ApplyOutcome(plan=plan, declined=True)
    run = replace(
        run_of_plan(rooms, seen, plan),
        orders=applying.apply_orders(plan, saved=before),
        overrides=request.overrides,
    )
    if resumption is not None:
        run = resuming.resumed(run, resumption)
    report = await carry_out(rooms, engine, seen, changes, run=run, request=request)
    took = (rooms.clock.now() - started).total_seconds()
    return ApplyOutcome(plan=plan, report=replace(with_held(report, plan), took=took))


async def saved_plan(rooms: Rooms, request: ApplyRequest) -> Plan | None:
    """Read the plan file that is to be applied."""
    if request.planfile is None:
        return None
    return await planfiles.read(rooms, request.planfile, signers=request.signers)


async def resumption_of(rooms: Rooms, seen: Seen, request: ApplyRequest) -> Resumption | None:
    """Find what is left of the run that is to be resumed."""
    if request.resume is None:
        return None
    return await resuming.find(
        rooms, seen.declaration, request.resume, failed_only=request.failed_only
    )


def wanted_of(request: ApplyRequest, saved: Plan | None) -> PlanRequest:
    """Say what to plan: for a saved plan the same pairs, with the same wish to heal."""
    if saved is None:
        return PlanRequest(
            limit=request.limit,
            targets=request.targets,
            heal=request.heal,
            overrides=request.overrides,
        )
    targets = saved.scope.get("target", "")
    return PlanRequest(
        limit=saved.scope.get("limit"),
        targets=tuple(name for name in targets.split(",") if name),
        heal=any(change.action is Action.REPAIR for change in saved.changes),
        overrides=request.overrides,
    )


def guard_committed(seen: Seen, *, allow_dirty: bool, own: frozenset[str]) -> None:
    """Refuse what nobody could look up later; the files of the saved plan itself are `own`."""
    if allow_dirty:
        return
    if seen.revision is None:
        raise RefusedError(
            "the declarations are not committed: there is no commit yet",
            hint="git commit, or --allow-dirty",
        )
    dirty = [path for path in seen.dirty if path not in own]
    if dirty:
        some = ", ".join(dirty[:3]) + (", …" if len(dirty) > 3 else "")  # noqa: PLR2004
        raise RefusedError(
            f"the declarations are not committed: {some}", hint="git commit, or --allow-dirty"
        )


def guard_whole(rooms: Rooms, seen: Seen, plan: Plan) -> None:
    """Refuse a plan that could be made but not be carried out, such as one that needs root where there is none."""
    if any(finding.severity is Severity.ERROR for finding in plan.diagnostics):
        refuse(rooms, seen, plan.diagnostics)


def guard_fresh(before: Plan | None, plan: Plan) -> None:
    """Refuse a saved plan that no longer says what would be done."""
    difference = None if before is None else stale.first_difference(before, plan)
    if difference is not None:
        raise StalePlanError(f"the plan is stale: {difference}", hint="ctl plan --out FILE again")


def guard_budget(plan: Plan) -> None:
    """Refuse a plan that touches more than one run may."""
    if plan.excess:
        more = f" (and {len(plan.excess) - 1} more)" if len(plan.excess) > 1 else ""
        raise RefusedError(f"{plan.excess[0].message}{more}", hint=plan.excess[0].clear)


async def settle(rooms: Rooms, engine: RunEngine, request: ApplyRequest) -> bool:
    """Take up what an earlier apply left behind; false when it still goes on and the time is over."""
    found = await engine.settle(within=request.timeout, parallel=request.parallel)
    for job in found.jobs:
        rooms.listener(
            Progress(
                stage=Stage.SETTLE,
                subject=job.id,
                server=job.server,
                target=job.target,
                state=job.state,
            )
        )
    return not found.waiting


def left_of(rooms: Rooms, timeout: float | None, started: datetime) -> float | None:
    """Give the seconds of waiting that are left; what a person needs to say yes does not count."""
    if timeout is None:
        return None
    return max(0.0, timeout - (rooms.clock.now() - started).total_seconds())


def waiting_outcome(seen: Seen, rooms: Rooms) -> ApplyOutcome:
    """Say that earlier work goes on and nothing was planned."""
    sha = None if seen.revision is None else seen.revision.sha
    plan = Plan(commit=sha, digest=EMPTY_PLAN_DIGEST, created_at=rooms.clock.now())
    return ApplyOutcome(plan=plan, report=RunReport(waiting=True))


def run_of_plan(rooms: Rooms, seen: Seen, plan: Plan) -> Run:
    """Make the run that carries out a plan."""
    sha = None if seen.revision is None else seen.revision.sha
    return run_of(rooms.ids, rooms.actor, rooms.clock.now(), title="apply", plan=plan, commit=sha)


async def carry_out(
    rooms: Rooms,
    engine: RunEngine,
    seen: Seen,
    changes: tuple[Change, ...],
    *,
    run: Run,
    request: ApplyRequest,
) -> RunReport:
    """Record a run with its jobs, forget what is to be forgotten, then drive the jobs.

    In this order, because recording refuses what cannot be done, and then nothing must have been touched.
    """
    forgettable = [change for change in changes if change.action is Action.FORGET]
    orders = orders_of(seen, changes)
    await note_overrides(rooms, request)
    if not orders:
        await keep_in_step(rooms, seen, plan_of(seen))
        return RunReport(forgotten=await forget(rooms, seen, forgettable))
    project = seen.declaration.settings.name
    jobs = jobs_of(run, orders, rooms.ids, project=project, commit=run.config_commit)
    await engine.submit(run, jobs)
    await keep_in_step(rooms, seen, plan_of(seen))
    forgotten = await forget(rooms, seen, forgettable)
    done = await engine.drive(run.id, parallel=request.parallel, within=request.timeout)
    return replace(await report_of(rooms, done), forgotten=forgotten)


async def note_overrides(rooms: Rooms, request: ApplyRequest) -> None:
    """Write down which gate or limit a person passes over, and why, before anything is done."""
    for name, reason in request.overrides.items():
        await rooms.activity.append("override", rooms.actor, gate=name, reason=reason)


async def report_of(rooms: Rooms, done: EngineReport) -> RunReport:
    """Tell the faces how a run went."""
    counts = done.counts
    return RunReport(
        run=await rooms.store.runs.get(done.run),
        jobs=done.jobs,
        summary=RunSummary(
            succeeded=counts.succeeded,
            failed=counts.failed,
            unreachable=counts.unreachable,
            skipped=counts.skipped,
            cancelled=counts.cancelled,
            unhealthy=counts.unhealthy,
        ),
        halted=dict(done.halted),
        refused=counts.refused,
        troubles=dict(done.troubles),
        waiting=done.waiting,
    )


def with_held(report: RunReport, plan: Plan) -> RunReport:
    """Add what a gate kept back, and what could not be reached in the first place."""
    offline = applying.unreachable(plan)
    summary = replace(report.summary, unreachable=report.summary.unreachable + len(offline))
    return replace(report, held=applying.held(plan), summary=summary)
