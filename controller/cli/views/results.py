"""What jobs gave back, by the type of the result: text, metric, table, file."""

from collections.abc import Iterator

from controller.cli.views.style import Ink, Style
from controller.cli.views.tables import table
from controller.cli.views.words import line, size
from controller.model.job import Job
from controller.model.task import ResultType
from controller.reconcile.exchange.reports import JobResult, RunReport


def results_text(report: RunReport, style: Style) -> str:
    """Show every result; metrics of all servers together in one table."""
    jobs = {job.id: job for job in report.jobs}
    blocks = [
        "\n".join(_block(result, jobs[result.job], style))
        for result in report.results
        if result.type is not ResultType.METRIC and result.job in jobs
    ]
    metrics = [
        (jobs[result.job].server, metric(result.output))
        for result in report.results
        if result.type is ResultType.METRIC and result.job in jobs
    ]
    if metrics:
        blocks.append(table(("SERVER", "VALUE"), metrics, style))
    return "\n".join(blocks)


def metric(output: bytes) -> str:
    """Take the last line that is not empty."""
    rows = [row.strip() for row in output.split(b"\n") if row.strip()]
    return line(rows[-1]) if rows else "-"


def _block(result: JobResult, job: Job, style: Style) -> Iterator[str]:
    yield style.paint(f"{line(job.server)} {line(job.task)}", Ink.STRONG)
    if result.type is ResultType.FILE:
        where = line(str(result.path or result.artifact or "no file came back"))
        length = f" {size(result.size)}" if result.size is not None else ""
        digest = f" sha256 {result.sha256}" if result.sha256 else ""
        yield f"    {where}{length}{digest}"
        return
    if not result.output.strip():
        yield "    no output"
        return
    if result.type is ResultType.TABLE:
        yield from (f"    {row}" for row in _columns(result.output))
        return
    yield from (f"    {line(row)}" for row in result.output.rstrip(b"\n").split(b"\n"))


def _columns(output: bytes) -> Iterator[str]:
    rows = [[line(cell) for cell in row.split()] for row in output.split(b"\n") if row.strip()]
    most = max(map(len, rows), default=0)
    widths = [max((len(r[i]) for r in rows if i < len(r)), default=0) for i in range(most)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        yield "  ".join(cells).rstrip()
