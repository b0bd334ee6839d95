"""One screen: what is wanted, what is applied, SYNC and HEALTH per target, problems, what runs now."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from controller.cli.dates import age, span
from controller.cli.views.diagnostics import diagnostics_text
from controller.cli.views.style import Ink, Style, Symbol
from controller.cli.views.tables import table
from controller.cli.views.words import line, short
from controller.model.job import Job
from controller.reconcile.exchange.status import Problem, StatusReport, TargetStatus

SHOWN: Final = 10
"""Next runs that are listed."""


def status_text(
    report: StatusReport, style: Style, now: datetime, *, state: str, width: int | None
) -> str:
    """Show the whole screen."""
    blocks = [_header(report, now, state)]
    if report.diagnostics:
        blocks.append(diagnostics_text(report.diagnostics, {}, style))
    if report.targets:
        blocks.append(_targets(report, style, now, width))
    else:
        blocks.append("No targets are declared.")
    if report.problems:
        blocks.append("\n".join(_problems(report.problems, style, now)))
    if report.running:
        blocks.append("\n".join(_running(report.running, style, now)))
    if report.upcoming:
        blocks.append("\n".join(_upcoming(report.upcoming, style, now)))
    return "\n\n".join(blocks)


def _header(report: StatusReport, now: datetime, state: str) -> str:
    parts = [f"Declarations at {short(report.commit)}"]
    if report.subject:
        parts.append(f'"{line(report.subject)}"')
    if report.author:
        parts.append(f"({line(report.author)})")
    if report.dirty:
        parts.append("+ changes that are not committed")
    seen = f"observed {age(report.observed_at, now)}" if report.observed_at else "nothing observed"
    return f"{' '.join(parts)}\n{seen}, state {line(state)}"


def _targets(report: StatusReport, style: Style, now: datetime, width: int | None) -> str:
    heads = ("TARGET", "SERVERS", "WANTED", "APPLIED", "SYNC", "HEALTH", "SINCE", "REASON")
    rows = [_row(target, now) for target in report.targets]
    return table(heads, rows, style, width=width)


def _row(target: TargetStatus, now: datetime) -> tuple[str, ...]:
    message = f": {target.message}" if target.message else ""
    return (
        target.target,
        f"{target.in_sync}/{target.servers}",
        short(target.wanted),
        short(target.applied),
        target.sync.value,
        target.health.value,
        age(target.since, now) if target.since else "-",
        target.reason + message,
    )


def _problems(problems: tuple[Problem, ...], style: Style, now: datetime) -> Iterator[str]:
    yield style.paint("Problems", Ink.STRONG)
    for problem in problems:
        since = f" since {age(problem.since, now)}" if problem.since else ""
        subject = f"{line(problem.subject)} {line(problem.reason)}{since}"
        yield f"  {style.mark(Symbol.BLOCKED)} {subject}: {line(problem.message)}"
        if problem.clear:
            yield f"      clear it with: {line(problem.clear)}"


def _running(jobs: tuple[Job, ...], style: Style, now: datetime) -> Iterator[str]:
    yield style.paint("Running", Ink.STRONG)
    for job in jobs:
        since = job.started_at or job.created_at
        took = span(max(0.0, (now - since).total_seconds()))
        name = line(job.target or job.task)
        yield f"  {job.id}  {name} on {line(job.server)}: {job.state} for {took}"


def _upcoming(
    upcoming: Sequence[tuple[str, datetime]], style: Style, now: datetime
) -> Iterator[str]:
    yield style.paint("Next runs by schedule, under ctl serve", Ink.STRONG)
    for name, due in upcoming[:SHOWN]:
        left = span(max(0.0, (due - now).total_seconds()))
        yield f"  {line(name)}  {due:%Y-%m-%d %H:%M} UTC, in {left}"
    if len(upcoming) > SHOWN:
        yield f"  and {len(upcoming) - SHOWN} more: ctl get targets -o wide"
