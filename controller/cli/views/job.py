"""Jobs for people and programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from controller.cli.dates import age, moment, span
from controller.cli.views.style import Ink, Style
from controller.cli.views.tables import table
from controller.cli.views.words import line, short, size, step_name
from controller.model.job import Attempt, Job
from controller.reconcile.documents import reason_now


def jobs_table(
    jobs: Sequence[Job], style: Style, now: datetime, *, width: int | None, wide: bool = False
) -> str:
    """List jobs, one a line; `wide` says whose they are, too."""
    owner = ("OWNER",) if wide else ()
    heads = (
        "ID", "TARGET", "TASK", "SERVER", "STATE", *owner, "COMMIT", "TOOK", "CREATED", "REASON",
    )  # fmt: skip
    rows = [
        (
            job.id,
            job.target or "-",
            job.task,
            job.server,
            job.state.value,
            *((job.owner or "-",) if wide else ()),
            short(job.commit),
            _took(job, now),
            age(job.created_at, now),
            reason_now(job) or job.cause or "-",
        )
        for job in jobs
    ]
    return table(heads, rows, style, width=width)


def _took(job: Job, now: datetime) -> str:
    if job.started_at is None:
        return "-"
    return span(((job.finished_at or now) - job.started_at).total_seconds())


def job_text(job: Job, style: Style) -> str:
    """Show one job with its steps and attempts."""
    why = reason_now(job)
    facts = (
        ("job", job.id),
        ("run", job.run),
        ("target", job.target or "-"),
        ("task", job.task),
        ("server", job.server),
        ("state", job.state.value + (f" ({why})" if why else "")),
        ("exit code", "-" if job.exit_code is None else str(job.exit_code)),
        ("cause", f"{job.trigger} {job.cause}".strip()),
        ("commit", f"{job.commit or '-'} {job.branch or ''}".strip()),
        ("declared at", job.config_commit or "-"),
        ("created", moment(job.created_at)),
        ("started", moment(job.started_at) if job.started_at else "-"),
        ("finished", moment(job.finished_at) if job.finished_at else "-"),
        *_more(job),
    )
    lines = [f"{style.paint(f'{name:<12}', Ink.QUIET)} {line(value)}" for name, value in facts]
    for step in job.steps:
        code = "" if step.exit_code is None else f" exit {step.exit_code}"
        reason = f" ({line(step.reason)})" if step.reason else ""
        lines.append(f"step {step_name(step.name)}: {step.state}{code}{reason}")
        lines += [f"    {_attempt(attempt)}" for attempt in step.attempts]
        lines += [f"    {line(key)}={line(value)}" for key, value in step.outputs.items()]
    return "\n".join(lines)


def _more(job: Job) -> Iterator[tuple[str, str]]:
    """Say what is so of few jobs."""
    if job.owner:
        yield "owner", job.owner
    if job.paused_at is not None:
        yield "paused since", moment(job.paused_at)
    elif job.paused:
        yield "paused for", span(job.paused)
    if job.archived is not None:
        yield "archived", f"{moment(job.archived.at)} {job.archived.path}"


def _attempt(attempt: Attempt) -> str:
    output = "" if attempt.length is None else f", {size(attempt.length)} of output"
    code = "" if attempt.exit_code is None else f" exit {attempt.exit_code}"
    return f"try {attempt.number}: {attempt.state}{code}{output}"
