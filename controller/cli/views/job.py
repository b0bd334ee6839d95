"""Jobs for people and programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from controller.cli.dates import age, iso, moment, span
from controller.cli.views.documents import plain
from controller.cli.views.style import Ink, Style
from controller.cli.views.tables import table
from controller.cli.views.words import line, short, size, step_name
from controller.model.job import Attempt, Job, State, StepRun


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
