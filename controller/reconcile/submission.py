"""Turning the changes of a plan into a run with its jobs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.jobs.marker import manifest
from controller.model.applied import Applied
from controller.model.ids import Digest, IdFactory, JobId, RunId, Sha
from controller.model.inventory import Server
from controller.model.job import Job, JobBody, Run, StepRun, Trigger
from controller.model.plan import Action, Change, Plan
from controller.model.revision import Revision
from controller.model.work import Work
from controller.planning.inputs import Observed
from controller.planning.subject import record_of
from controller.reconcile.seen import Seen

Recorded = tuple[Job, JobBody]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One job to be: what, where and why."""

    target: str | None
    server: Server
    work: Work
    trigger: Trigger
    cause: str
    expect: Digest | None = None
    record: Applied | None = None
    revision: Revision | None = None
    repo: str | None = None


def run_of(
    ids: IdFactory, actor: str, now: datetime, *, title: str, plan: Plan | None, commit: Sha | None
) -> Run:
    """Make a run."""
    return Run(
        id=RunId(ids()),
        actor=actor,
        created_at=now,
        plan_digest=None if plan is None else plan.digest,
        config_commit=commit,
        title=title,
    )


def orders_of(seen: Seen, changes: Sequence[Change]) -> list[Order]:
    """Say what jobs the changes of a plan need; forgetting needs none."""
    works = {(pair.target, pair.server): pair.work for pair in seen.pairs}
    observed = Observed(records=seen.records, servers=seen.servers, refreshed=seen.contacts)
    servers = seen.declaration.inventory.servers
    orders = []
    for change in changes:
        key = (change.target, change.server)
        if change.action is not Action.FORGET and key in works:
            source = seen.sources.get(change.target)
            orders.append(
                Order(
                    target=change.target,
                    server=servers[change.server],
                    work=works[key],
                    trigger=change.trigger,
                    cause=change.reason,
                    expect=change.expect,
                    record=record_of(observed, key, seen.servers.get(change.server)),
                    revision=None if source is None else source.revision,
                    repo=None if source is None else source.repo,
                )
            )
    return orders


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
        digest=order.work.digest,
        commit=None if revision is None else revision.sha,
        branch=None if revision is None else revision.branch,
        previous_commit=None if order.record is None else order.record.commit,
        config_commit=commit,
        created_at=run.created_at,
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
    )
    return made, body


def facts_of(order: Order) -> Mapping[str, str]:
    """Say what a job may know of its commit; message and author travel only here, never in a template."""
    if order.revision is None:
        return {}
    return {
        "CTL_REPO": order.repo or "",
        "CTL_COMMIT_MESSAGE": order.revision.message[:16384],
        "CTL_COMMIT_AUTHOR": f"{order.revision.author} <{order.revision.email}>",
    }
