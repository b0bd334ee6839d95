"""Records as documents for programs: plain JSON types, the same over HTTP as at the command line.

Pure. Called by the faces. Public shapes only ever grow.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final

from controller.journal.line import Line
from controller.journal.verify import Finding
from controller.model.job import Job, Run, State, StepRun
from controller.model.past import TargetRun
from controller.model.token import Token
from controller.planning.document import diagnostic_document
from controller.planning.gates import GateResult, first_no
from controller.reconcile.exchange.decisions import PastRun
from controller.reconcile.exchange.drifts import DriftReport
from controller.reconcile.exchange.reports import RunReport
from controller.reconcile.exchange.status import StatusReport, TargetStatus

FORMAT_VERSION: Final = "1.0"
PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Kinds that JSON has itself; kinds made of them, such as words of an enum, are turned first."""


def plain(value: object) -> object:
    """Turn records, enums, paths, times and bytes into what JSON has."""
    if type(value) in PLAIN:  # by far the most, in documents of thousands of servers
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return _scalar(value)


def _scalar(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return iso(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)


def iso(at: datetime | None) -> str | None:
    """Say a moment to a program: RFC 3339 in UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def job_document(job: Job) -> dict[str, object]:
    """Give a job as a document."""
    return {
        "id": job.id,
        "run": job.run,
        "target": job.target,
        "task": job.task,
        "server": job.server,
        "state": job.state.value,
        "trigger": job.trigger.value,
        "cause": job.cause,
        "reason": reason_now(job),
        "exit_code": job.exit_code,
        "commit": job.commit,
        "config_commit": job.config_commit,
        "branch": job.branch,
        "previous_commit": job.previous_commit,
        "digest": job.digest,
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "stop_requested": job.stop_requested,
        "owner": job.owner,
        "paused_at": iso(job.paused_at),
        "paused_seconds": job.paused,
        "archived": None if job.archived is None else plain(job.archived),
        "steps": [_step(step) for step in job.steps],
    }


def _step(step: StepRun) -> dict[str, object]:
    return {
        "name": step.name,
        "state": step.state.value,
        "exit_code": step.exit_code,
        "reason": step.reason,
        "outputs": plain(step.outputs),
        "attempts": plain(step.attempts),
    }


def reason_now(job: Job) -> str | None:
    """Say why a job is as it is; of one that goes on, what it waits for."""
    if job.reason or job.state.ended:
        return job.reason
    waiting = (
        attempt.reason
        for step in job.steps
        for attempt in step.attempts
        if attempt.state is State.DISPATCHED
    )
    return next(filter(None, waiting), None)


def run_document(run: Run) -> dict[str, object]:
    """Give a run as a document; what its scheduler keeps to is left out."""
    return {
        "id": run.id,
        "title": run.title,
        "actor": run.actor,
        "created_at": iso(run.created_at),
        "finished_at": iso(run.finished_at),
        "config_commit": run.config_commit,
        "plan_digest": run.plan_digest,
        "targets": sorted(run.orders),
        "halted": plain(run.halted),
        "resumes": run.resumes,
        "overrides": plain(run.overrides),
    }


def status_document(report: StatusReport, *, state: str) -> dict[str, object]:
    """Give the status as a document."""
    return {
        "format_version": FORMAT_VERSION,
        "commit": report.commit,
        "dirty": report.dirty,
        "author": report.author,
        "subject": report.subject,
        "state": state,
        "observed_at": iso(report.observed_at),
        "summary": plain(report.summary),
        "targets": [target_line(target) for target in report.targets],
        "problems": plain(report.problems),
        "running": [{"id": j.id, "target": j.target, "server": j.server} for j in report.running],
        "next_runs": [{"target": name, "at": iso(due)} for name, due in report.upcoming],
        "diagnostics": [diagnostic_document(d) for d in report.diagnostics],
    }


def target_line(target: TargetStatus) -> dict[str, object]:
    """Give one target as the status has it."""
    return {
        "target": target.target,
        "task": target.task,
        "servers": target.servers,
        "in_sync": target.in_sync,
        "wanted": target.wanted,
        "applied": target.applied,
        "sync": target.sync.value,
        "health": target.health.value,
        "reason": target.reason,
        "message": target.message,
        "since": iso(target.since),
    }


def gates_document(target: str, server: str, results: Sequence[GateResult]) -> dict[str, object]:
    """Give the gates of a pair as a document."""
    blocker = first_no(results)
    return {
        "format_version": FORMAT_VERSION,
        "target": target,
        "server": server,
        "blocked_by": None if blocker is None else blocker.gate.value,
        "clear": None if blocker is None else blocker.clear,
        "gates": plain(tuple(results)),
    }


def drift_document(report: DriftReport) -> dict[str, object]:
    """Give drift as a document."""
    return {
        "format_version": FORMAT_VERSION,
        "pairs": plain(report.pairs),
        "ignored": plain(report.ignored),
        "unseen": [{"server": name, "message": why} for name, why in report.unseen],
    }


def history_document(past: PastRun) -> dict[str, object]:
    """Give one run of a target as a document."""
    sums, run = past.sums, past.run
    return {
        "run": sums.run,
        "target": sums.target,
        "commits": list(sums.commits),
        "config_commit": sums.config_commit,
        "trigger": sums.trigger.value,
        "cause": sums.cause,
        "actor": None if run is None else run.actor,
        "result": result_of(past),
        "halted": None if run is None else run.halted.get(sums.target),
        "states": {state.value: number for state, number in sums.states.items()},
        "servers": list(sums.servers),
        "created_at": iso(sums.created_at),
        "started_at": iso(sums.started_at),
        "finished_at": iso(sums.finished_at),
        "seconds": seconds_of(sums),
    }


def seconds_of(sums: TargetRun) -> float | None:
    """Say how long a run took; None while it goes on, or when nothing of it began."""
    if sums.finished_at is None or sums.started_at is None:
        return None
    return max(0.0, (sums.finished_at - sums.started_at).total_seconds())


def result_of(past: PastRun) -> str:
    """Say how a run ended for a target: one word where all jobs agree, else how many ended how."""
    halted = past.run is not None and past.sums.target in past.run.halted
    states = past.sums.states
    words = [state.value for state in states]
    if len(states) > 1:
        words = [f"{states[state]} {state.value}" for state in sorted(states)]
    return ", ".join([*(["halted"] if halted else []), *words])


def line_document(line: Line) -> dict[str, object]:
    """Give one line of a log as a document."""
    return {
        "ts": iso(line.ts),
        "seq": line.seq,
        "prev": line.prev,
        "event": line.event,
        "actor": line.actor,
        **{name: plain(value) for name, value in line.fields.items()},
    }


def token_document(token: Token) -> dict[str, object]:
    """Give what is kept of a token, but for its hash: nobody knows its text."""
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "scope": {"targets": token.scope.targets, "servers": token.scope.servers},
        "by": token.by,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "grace_until": iso(token.grace_until),
        "successor": token.successor,
        "revoked_at": iso(token.revoked_at),
        "used_at": iso(token.used_at),
        "used_from": token.used_from,
    }


def report_document(report: RunReport) -> dict[str, object]:
    """Give a run that was asked for as a document."""
    summary = report.summary
    return {
        "format_version": FORMAT_VERSION,
        "run": None if report.run is None else report.run.id,
        "summary": {
            "succeeded": summary.succeeded,
            "failed": summary.failed,
            "unreachable": summary.unreachable,
            "skipped": summary.skipped,
            "cancelled": summary.cancelled,
        },
        "unhealthy": summary.unhealthy,
        "halted": bool(report.halted),
        "halted_targets": plain(report.halted),
        "waiting": report.waiting,
        "forgotten": report.forgotten,
        "refused": report.refused,
        "troubles": plain(report.troubles),
        "held": [
            {"target": c.target, "server": c.server, "blocked_by": plain(c.blocked_by)}
            for c in report.held
        ],
        "jobs": [job_document(job) for job in report.jobs],
    }


def findings_document(checked: Mapping[str, Sequence[Finding]]) -> dict[str, object]:
    """Give what the check of the logs' chains found as a document."""
    logs = {
        name: {"holds": not any(f.broken for f in findings), "findings": plain(tuple(findings))}
        for name, findings in checked.items()
    }
    return {"format_version": FORMAT_VERSION, "logs": logs}
