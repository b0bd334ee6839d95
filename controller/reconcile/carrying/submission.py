"""Turning the changes of a plan into a run with its jobs.

Pure. Called by `applying`, `running` and `desk`; the engine records what comes out, and `jobs` works from that alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from controller.jobs.marker import manifest
from controller.model.applied import Applied
from controller.model.declaration import OnRemove, Repo, Target
from controller.model.ids import Digest, IdFactory, JobId, RunId, Sha
from controller.model.inventory import Server
from controller.model.job import Job, JobBody, Run, StepRun, Trigger
from controller.model.plan import Action, Change, Plan
from controller.model.revision import Revision
from controller.model.work import Pair, Work
from controller.planning.inputs import PairKey
from controller.reconcile.walk.known import known_record, known_today
from controller.reconcile.walk.seen import Seen

Recorded = tuple[Job, JobBody]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One job to be: what, where and why; `removes` marks the undo of a pair that is no longer declared."""

    target: str | None
    server: Server
    work: Work
    trigger: Trigger
    cause: str
    expect: Digest | None = None
    record: Applied | None = None
    revision: Revision | None = None
    repo: Repo | None = None
    wave: int = 1
    undo: Work | None = None
    on_remove: OnRemove = OnRemove.FORGET
    protect: bool = False
    removes: bool = False
    was: PairKey | None = None
    owner: str = ""


def run_of(
    ids: IdFactory, actor: str, now: datetime, *, title: str, plan: Plan | None, commit: Sha | None
) -> Run:
    """Make a run; what its scheduler keeps to comes from the plan."""
    return Run(
        id=RunId(ids()),
        actor=actor,
        created_at=now,
        plan_digest=None if plan is None else plan.digest,
        config_commit=commit,
        title=title,
        orders={} if plan is None else plan.orders,
        budgets=() if plan is None else plan.budgets,
    )


def orders_of(seen: Seen, changes: Sequence[Change]) -> list[Order]:
    """Say what jobs the changes of a plan need; forgetting needs none."""
    pairs = {(pair.target, pair.server): pair for pair in seen.pairs}
    today = known_today(seen)
    orders: list[Order] = []
    for change in changes:
        key = (change.target, change.server)
        if change.action is Action.REMOVE:
            orders += undo_of(seen, change, known_record(today, key), today.records.get(key))
        elif change.action is not Action.FORGET and key in pairs:
            orders.append(order_of(seen, change, pairs[key], known_record(today, key)))
    return orders


def order_of(seen: Seen, change: Change, pair: Pair, record: Applied | None) -> Order:
    """Say what job a change of a declared pair needs."""
    source = seen.sources.get(change.target)
    target = seen.declaration.targets.get(change.target) or Target(name="", task="", servers="")
    return Order(
        target=change.target,
        server=seen.declaration.inventory.servers[change.server],
        work=pair.work,
        trigger=change.trigger,
        cause=change.reason,
        expect=expected(seen, change),
        record=record,
        revision=None if source is None else source.revision,
        repo=None if source is None else seen.declaration.repos.get(source.repo),
        wave=change.wave,
        undo=pair.undo,
        on_remove=target.on_remove,
        protect=target.protect,
        was=change.was,
    )


def expected(seen: Seen, change: Change) -> Digest | None:
    """Give the SHA-256 of the marker that a job must find under its target's name of today; None where none lies there.

    What the plan saw of a renamed target may lie there under the earlier name still.
    """
    if change.was is None or change.was[0] == change.target:
        return change.expect
    there = seen.servers.get(change.server)
    marker = None if there is None else there.markers.get(change.target)
    return None if marker is None else marker.sha256


def undo_of(
    seen: Seen, change: Change, record: Applied | None, stored: Applied | None
) -> list[Order]:
    """Say what job lets a pair go: the undo as it was rendered when the pair was last applied.

    Only the state, `stored`, knows how a server was reached that left the inventory; and where the marker says nothing, it
    knows what is in force, too.
    """
    if stored is not None and (record is None or record.undo is None):
        record = stored
    server = seen.declaration.inventory.servers.get(change.server)
    if server is None and stored is not None and stored.connection is not None:
        server = replace(stored.connection, name=change.server)
    if record is None or record.undo is None or server is None:
        return []
    return [
        Order(
            # its marker has the earlier name
            target=change.was[0] if change.was else change.target,
            server=server,
            work=record.undo,
            trigger=change.trigger,
            cause=change.reason,
            expect=change.expect,
            record=record,
            wave=change.wave,
            on_remove=record.on_remove,
            protect=record.protect,
            removes=True,
            was=change.was,
        )
    ]


def jobs_of(
    run: Run, orders: Sequence[Order], ids: IdFactory, *, project: str, commit: Sha | None
) -> list[Recorded]:
    """Make the jobs of a run, with what each is recorded with."""
    return [job_of(run, order, JobId(ids()), project=project, commit=commit) for order in orders]


def job_of(run: Run, order: Order, job: JobId, *, project: str, commit: Sha | None) -> Recorded:
    """Make one job."""
    revision = order.revision
    made = Job(
        id=job,
        run=run.id,
        target=order.target,
        task=order.work.task,
        server=order.server.name,
        trigger=order.trigger,
        cause=order.cause,
        wave=order.wave,
        digest=order.work.digest,
        commit=None if revision is None else revision.sha,
        branch=None if revision is None else revision.branch,
        previous_commit=None if order.record is None else order.record.commit,
        config_commit=commit,
        created_at=run.created_at,
        owner=order.owner,
        steps=tuple(StepRun(name=step.name) for step in order.work.steps),
    )
    body = JobBody(
        job=job,
        server=order.server,
        work=order.work,
        project=project,
        expect=order.expect,
        manifest=manifest(order.work.inputs),
        facts=facts_of(order),
        committed_at=None if revision is None else revision.committed_at,
        repo=order.repo,
        undo=order.undo,
        on_remove=order.on_remove,
        protect=order.protect,
        removes=order.removes,
        was=order.was,
    )
    return made, body


def facts_of(order: Order) -> Mapping[str, str]:
    """Say what a job may know of its commit; message and author travel only here, never in a template."""
    if order.revision is None:
        return {}
    return {
        "CTL_REPO": "" if order.repo is None else order.repo.name,
        "CTL_COMMIT_MESSAGE": order.revision.message[:16384],
        "CTL_COMMIT_AUTHOR": f"{order.revision.author} <{order.revision.email}>",
    }
