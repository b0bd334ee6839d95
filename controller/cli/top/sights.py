"""What `ctl top` shows: one look at the state, and the rows of its three tables.

`look` asks the controller; the rest is pure. Every cell has gone through `safe_text`. Called by `screen`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.cli.dates import age, span
from controller.cli.port import Controller
from controller.cli.views.words import line, short, size
from controller.model.job import OPEN, Job, State
from controller.model.observation import ServerSeen
from controller.reconcile.exchange.status import StatusReport, TargetStatus

JOBS: Final = 200
"""Jobs that are shown, the newest."""
TARGETS: Final = ("TARGET", "SERVERS", "WANTED", "APPLIED", "SYNC", "HEALTH", "SINCE", "REASON")
SERVERS: Final = ("SERVER", "REACHED", "CPU", "MEMORY", "DISK", "LOAD", "JOBS", "SEEN", "CAUSE")
ROWS: Final = ("#", "ID", "SERVER", "WHAT", "STATE", "TOOK", "STARTED", "REASON")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table; `key` stays the same from look to look."""

    key: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look. `trouble` says why the status could not be made out; jobs and servers are shown all the same."""

    at: datetime
    status: StatusReport = field(default_factory=StatusReport)
    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    trouble: str = ""


async def look(controller: Controller, now: datetime, status: StatusReport) -> Sight:
    """See jobs and servers now, beside a status that may be older: making one out reads every declaration."""
    observed = await controller.observed()
    return Sight(
        at=now,
        status=status,
        servers=observed.servers,
        jobs=await controller.jobs.list(limit=JOBS),
    )


def heading(sight: Sight, state: str) -> str:
    """Sum it all up in one line."""
    running = sum(job.state in OPEN for job in sight.jobs)
    away = sum(not seen.reached for seen in sight.servers.values())
    parts = [
        f"declarations at {short(sight.status.commit)}",
        f"{len(sight.servers)} servers seen" + (f", {away} out of reach" if away else ""),
        f"{running} jobs run" if running != 1 else "1 job runs",
        f"{len(sight.status.problems)} problems" if sight.status.problems else "no problems",
        f"state {state}",
    ]
    return line(" · ".join(parts) if not sight.trouble else f"! {sight.trouble}")


def target_rows(sight: Sight) -> list[Row]:
    """List the targets."""
    return [_target(one, sight.at) for one in sight.status.targets]


def server_rows(sight: Sight) -> list[Row]:
    """List the servers, those out of reach first."""
    running = [job.server for job in sight.jobs if job.state in OPEN]
    seen = sorted(sight.servers.values(), key=lambda one: (one.reached, one.server))
    return [_server(one, running.count(one.server), sight.at) for one in seen]


def job_rows(sight: Sight) -> list[Row]:
    """List the jobs, those that run first; the number is what `job-N` counts."""
    jobs = sorted(sight.jobs, key=lambda job: job.state not in OPEN)
    return [_job(job, number, sight.at) for number, job in enumerate(jobs, start=1)]


def holding(rows: list[Row], text: str) -> list[Row]:
    """Keep the rows that hold a text."""
    wanted = text.casefold()
    return [row for row in rows if wanted in " ".join(row.cells).casefold()]


def _target(one: TargetStatus, now: datetime) -> Row:
    message = f": {one.message}" if one.message else ""
    cells = (
        one.target,
        f"{one.in_sync}/{one.servers}",
        short(one.wanted),
        short(one.applied),
        one.sync.value,
        one.health.value,
        age(one.since, now) if one.since else "-",
        one.reason + message,
    )
    return Row(key=one.target, cells=tuple(map(line, cells)))


def _server(seen: ServerSeen, jobs: int, now: datetime) -> Row:
    host = seen.host
    cause = "-" if seen.reached else f"{seen.cause or ''} {seen.message}".strip()
    cells = (
        seen.server,
        "yes" if seen.reached else "no",
        "-" if host is None else f"{host.cpu:.0%} of {host.processors}",
        "-" if host is None else f"{size(host.memory_used)} of {size(host.memory_total)}",
        "-" if host is None else f"{size(host.disk_used)} of {size(host.disk_total)}",
        "-" if host is None or not host.load else f"{host.load[0]:.2f}",
        str(jobs or "-"),
        age(seen.at, now),
        cause,
    )
    return Row(key=seen.server, cells=tuple(map(line, cells)))


def _job(job: Job, number: int, now: datetime) -> Row:
    began = job.started_at
    wish = " (stopping)" if job.stop_requested and job.state in OPEN else ""
    cells = (
        str(number),
        job.id,
        job.server,
        job.target or job.task,
        job.state.value + wish,
        "-" if began is None else span(((job.finished_at or now) - began).total_seconds()),
        age(job.started_at or job.created_at, now),
        job.reason or (job.cause if job.state is not State.SUCCEEDED else "") or "-",
    )
    return Row(key=job.id, cells=tuple(map(line, cells)))
