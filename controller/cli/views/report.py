"""How a run went: one line a job that did not simply succeed, then the frozen `Applied:` line.

Called by `ctl apply`, `ctl run` and `ctl jobs retry`.
"""

from collections.abc import Iterator

from controller.cli.dates import span
from controller.cli.views.change import alone, change_lines
from controller.cli.views.style import Ink, Style, Symbol
from controller.cli.views.words import line, step_name
from controller.model.job import Job, State
from controller.reconcile import documents
from controller.reconcile.documents import plain
from controller.reconcile.exchange.reports import RunReport


def report_text(report: RunReport, style: Style) -> str:
    """Show what did not simply succeed, what was held back, and the summary."""
    lines = [
        text for job in report.jobs if job.state is not State.SUCCEEDED for text in _job(job, style)
    ]
    for name, why in report.troubles.items():
        lines.append(
            f"{style.mark(Symbol.BAD)} job {line(name)} was left for the next time: {line(why)}"
        )
    if report.refused:
        lines.append(f"{report.refused} skipped: another controller was there first; plan again")
    if report.held:
        lines.append(style.paint("Held back", Ink.STRONG))
        for change in report.held:
            lines += change_lines(alone(change), style)
    for target, why in report.halted.items():
        lines.append(f"{style.mark(Symbol.BAD)} {line(target)} was halted: {line(why)}")
    if report.waiting:
        lines.append("the time to wait ran out; what has been started goes on")
    lines.append(style.paint(applied_line(report), _ink(report)))
    return "\n".join(lines)


def applied_line(report: RunReport) -> str:
    """Say the numbers of a run in the frozen words."""
    summary = report.summary
    servers = len({job.server for job in report.jobs})
    forgotten = f", {report.forgotten} forgotten" if report.forgotten else ""
    return (
        f"Applied: {summary.succeeded} succeeded, {summary.failed} failed, "
        f"{summary.unreachable} unreachable, {summary.skipped} skipped, "
        f"{summary.cancelled} cancelled{forgotten} on {servers} servers in {span(report.took)}."
    )


def _ink(report: RunReport) -> Ink:
    summary = report.summary
    if summary.failed or report.halted or report.troubles:
        return Ink.BAD
    partial = summary.unreachable or summary.cancelled or summary.skipped or report.waiting
    return Ink.CHANGE if partial or report.held or report.refused else Ink.GOOD


def _job(job: Job, style: Style) -> Iterator[str]:
    name = job.target or job.task
    reason = f" {line(job.reason)}" if job.reason else ""
    code = f" exit {job.exit_code}" if job.exit_code not in {None, 0} else ""
    mark = style.mark(Symbol.DOT if not job.state.ended else Symbol.BAD)
    yield f"{mark} {line(name)} on {line(job.server)}: {job.state}{code}{reason}  ctl jobs logs {job.id}"
    for step in job.steps:
        if step.state not in {State.SUCCEEDED, State.PENDING}:
            failed = f" exit {step.exit_code}" if step.exit_code not in {None, 0} else ""
            yield f"    step {step_name(step.name)}: {step.state}{failed}"


def report_document(report: RunReport) -> dict[str, object]:
    """Give a run as a document, with the results of its script runs."""
    results = [
        {
            "job": result.job,
            "type": result.type.value,
            "output": plain(result.output),
            "path": plain(result.path),
            "size": result.size,
            "sha256": result.sha256,
        }
        for result in report.results
    ]
    return {**documents.report_document(report), "results": results}
