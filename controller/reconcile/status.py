"""Status: one line for each target, from a plan that opens no server. Deciding what to say is pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.errors import Unreachable
from controller.jobs.held import HELD
from controller.model.condition import Health, Sync
from controller.model.declaration import Declaration, OnCommit, Target
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.job import Job, State
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.plan import Action, Change, Gate
from controller.planning.schedules import next_due
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.exchange.status import Problem, StatusReport, TargetStatus
from controller.reconcile.rooms import Rooms
from controller.reconcile.said import all_said
from controller.reconcile.walk.decided import decided_words
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.known import known_today
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk

BAD = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED, State.LOST})


async def status(rooms: Rooms) -> StatusReport:
    """Say how wanted and applied compare, from what was last seen."""
    try:
        seen = await walk(rooms, Seen(request=PlanRequest(refresh=False)))
    except InvalidDeclarationError as error:
        head = rooms.config.head()
        return StatusReport(
            commit=None if head is None else head.sha,
            dirty=bool(rooms.config.dirty()),
            diagnostics=error.diagnostics,
        )
    jobs = await rooms.store.jobs.open()
    latest = {
        name: await rooms.store.jobs.list(target=name, limit=1) for name in seen.declaration.targets
    }
    repos = await rooms.store.observations.repos()
    now = rooms.clock.now()
    report = await rooms.aside.do(lambda: summed_up(seen, jobs, latest, repos.values(), now))
    return replace(
        report,
        problems=(*report.problems, *await said_problems(rooms)),
        diagnostics=(*report.diagnostics, *refused_findings(rooms)),
    )


def summed_up(
    seen: Seen,
    jobs: Sequence[Job],
    latest: Mapping[str, Sequence[Job]],
    repos: Iterable[RepoSeen],
    now: datetime,
) -> StatusReport:
    """Sum a plan up, with what is open and how it went last."""
    plan, today = plan_of(seen), known_today(seen)
    seen = replace(seen, records=today.records, servers=today.servers)
    changes: dict[str, list[Change]] = {}
    for change in plan.changes:
        changes.setdefault(change.target, []).append(change)
    return StatusReport(
        commit=plan.commit,
        dirty=plan.dirty,
        author=plan.author,
        subject=plan.subject,
        observed_at=plan.observed_at,
        targets=tuple(
            with_decision(
                target_status(target, seen, changes.get(name, ()), jobs, latest[name]), seen, now
            )
            for name, target in sorted(seen.declaration.targets.items())
        ),
        problems=tuple(problems(seen.declaration, seen.servers.values(), repos, jobs)),
        running=tuple(job for job in jobs if job.state is not State.LOST),
        upcoming=upcoming(seen.declaration, now),
        diagnostics=plan.diagnostics,
        summary=plan.summary,
    )


def upcoming(declaration: Declaration, now: datetime) -> tuple[tuple[str, datetime], ...]:
    """Give the next due time of every target with a schedule, the soonest first."""
    dues = [
        (due, name)
        for name, target in declaration.targets.items()
        if target.schedule is not None and (due := next_due(target.schedule, now)) is not None
    ]
    return tuple((name, due) for due, name in sorted(dues))


def refused_findings(rooms: Rooms) -> tuple[Diagnostic, ...]:
    """Give what is wrong with newer declarations that are not in force for that reason."""
    kept = rooms.in_force()
    return () if kept is None else kept.refused


async def said_problems(rooms: Rooms) -> tuple[Problem, ...]:
    """List what the loop of a serving controller says of keys that do not go on, and whether everything is held."""
    if rooms.in_force() is None:
        return ()
    marks = rooms.store.marks
    held = await marks.get(HELD)
    first = () if held is None else (_held(held),)
    found = (await all_said(marks)).items()
    return first + tuple(
        Problem(
            subject=key,
            reason=said.reason,
            message=said.message,
            since=said.since,
            clear=said.clear,
        )
        for key, said in found
    )


def _held(why: str) -> Problem:
    """Say that nothing is started, and how that ends."""
    clear = "ctl restore --release --reason TEXT"
    return Problem(subject="dispatch", reason="Held", message=why, clear=clear)


def target_status(
    target: Target,
    seen: Seen,
    changes: Sequence[Change],
    jobs: Sequence[Job],
    latest: Sequence[Job],
) -> TargetStatus:
    """Sum one target up, from the changes of it."""
    waiting = [change for change in changes if is_by_clock(target, change)]
    changes = [change for change in changes if change not in waiting]
    sync, reason, message = sync_of(changes)
    if waiting and sync is Sync.IN_SYNC:
        reason, message = "Scheduled", "what is new runs at its next due time"
    running = [job for job in jobs if job.target == target.name and job.state is not State.LOST]
    source = seen.sources.get(target.name)
    return TargetStatus(
        target=target.name,
        task=target.task,
        servers=len(target.members),
        in_sync=len(target.members)
        - len({c.server for c in changes if c.server in target.members and is_news(c)}),
        wanted=None if source is None else source.revision.sha,
        applied=applied_commit(target, seen),
        sync=sync,
        health=health_of(target, seen, running, latest),
        reason=reason,
        message=message,
        since=latest[0].finished_at if latest else None,
    )


def with_decision(status: TargetStatus, seen: Seen, now: datetime) -> TargetStatus:
    """Add what a person decided about a target: that comes before what a machine has to say."""
    declared = seen.declaration.targets[status.target].suspended
    suspensions = (seen.standing.suspensions.get(status.target), declared)
    stands = any(one is not None and (one.until is None or now < one.until) for one in suspensions)
    decided = decided_words(seen.standing, status.target, now)
    said = (None if decided and decided in status.message else decided, status.message)
    return replace(
        status,
        health=Health.SUSPENDED if stands else status.health,
        message="; ".join(words for words in said if words),
    )


def is_by_clock(target: Target, change: Change) -> bool:
    """Say whether a change of inputs waits for nobody: the next due time of the target's schedule carries it out."""
    blocker = change.blocked_by
    return (
        target.schedule is not None
        and target.on_commit is OnCommit.IGNORE
        and blocker is not None
        and blocker.gate is Gate.ON_COMMIT
    )


def sync_of(changes: Iterable[Change]) -> tuple[Sync, str, str]:
    """Say how wanted and applied compare, the gravest first: unknown, blocked, pending, drifted."""
    found = sorted((judge(change) for change in changes), key=lambda one: GRAVEST.index(one[0]))
    return found[0] if found else (Sync.IN_SYNC, "Applied", "")


GRAVEST: Final = (Sync.UNKNOWN, Sync.BLOCKED, Sync.PENDING, Sync.DRIFTED, Sync.IN_SYNC)


def judge(change: Change) -> tuple[Sync, str, str]:
    """Say the same of one pair."""
    blocker = change.blocked_by
    if change.unknown:
        return Sync.UNKNOWN, "NeverSeen", change.reason
    if blocker is not None:
        return Sync.BLOCKED, camel(blocker.gate), blocker.message
    if change.drift is not None:
        return Sync.DRIFTED, "CheckFailed", change.drift
    if change.action is not Action.NONE:
        return Sync.PENDING, change.action.capitalize(), change.reason
    return Sync.IN_SYNC, "Applied", change.reason


def is_news(change: Change) -> bool:
    """Say whether a pair is not simply in sync; some are shown only for a remark."""
    return judge(change)[0] is not Sync.IN_SYNC


def applied_commit(target: Target, seen: Seen) -> Sha | None:
    """Give the commit that is in force on every server of a target; None when there are several."""
    commits = {
        record.commit
        for name in target.members
        if (record := seen.records.get((target.name, name))) is not None
    }
    return commits.pop() if len(commits) == 1 else None


def health_of(target: Target, seen: Seen, running: Sequence[Job], latest: Sequence[Job]) -> Health:
    """Say how a target fares: what runs, then what cannot be reached, then how the last jobs ended."""
    if running:
        return Health.RUNNING
    out = [
        name
        for name in target.members
        if (found := seen.servers.get(name)) is not None and not found.reached
    ]
    if out and len(out) == len(target.members):
        return Health.OFFLINE
    tried = [
        record.tried
        for name in target.members
        if (record := seen.records.get((target.name, name))) is not None
    ]
    failed = [one for one in tried if one is not None and one.state in BAD]
    if failed and len(failed) == len(target.members):
        return Health.FAILED
    bad = latest and latest[0].state in BAD
    return Health.DEGRADED if out or failed or bad else Health.OK


def camel(words: str) -> str:
    """Write a kebab-case code as a CamelCase reason."""
    return "".join(word.capitalize() for word in words.split("-"))


def problems(
    declaration: Declaration,
    servers: Iterable[ServerSeen],
    repos: Iterable[RepoSeen],
    jobs: Iterable[Job],
) -> Iterable[Problem]:
    """List what a person should look at."""
    for server in servers:
        if not server.reached and server.server in declaration.inventory.servers:
            yield Problem(
                subject=f"server/{server.server}",
                reason=f"Unreachable{camel(server.cause or '')}",
                message=server.message,
                since=server.at,
                clear=f"ctl {'trust' if server.cause is Unreachable.HOST_KEY else 'check server'} "
                f"{server.server}",
            )
    for repo in repos:
        if repo.error is not None and repo.repo in declaration.repos:
            yield Problem(
                subject=f"repo/{repo.repo}",
                reason=camel(repo.error_code or "error"),
                message=repo.error,
                since=repo.checked_at,
                clear=f"ctl check repo {repo.repo}",
            )
    for job in jobs:
        if job.state is State.LOST:
            yield Problem(
                subject=f"job/{job.id}",
                reason="Lost",
                message=job.reason or "nobody knows how it ended",
                since=job.started_at,
                clear=f"ctl jobs resolve {job.id} --as succeeded|failed --reason TEXT",
            )
