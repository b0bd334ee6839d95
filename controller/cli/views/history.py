"""The runs of a target: one line for each."""

from collections.abc import Sequence
from datetime import datetime

from controller.cli.dates import age, iso, span
from controller.cli.views.style import Style
from controller.cli.views.tables import table
from controller.cli.views.words import line, short
from controller.model.past import TargetRun
from controller.reconcile.exchange.decisions import PastRun

HEADS = ("RUN", "WHEN", "COMMIT", "RESULT", "SERVERS", "TOOK", "WHO", "CAUSE")


def history_text(
    target: str, runs: Sequence[PastRun], style: Style, now: datetime, *, width: int | None
) -> str:
    """Show the runs of a target, newest first."""
    if not runs:
        return f"Nothing of {line(target)} has run yet."
    return table(HEADS, [_row(one, now) for one in runs], style, width=width)


def _row(past: PastRun, now: datetime) -> tuple[str, ...]:
    sums = past.sums
    took = seconds_of(sums)
    return (
        sums.run,
        age(sums.created_at, now),
        ",".join(short(commit) for commit in sums.commits) or "-",
        result_of(past),
        str(len(sums.servers)),
        "-" if took is None else span(took),
        "-" if past.run is None else past.run.actor,
        f"{sums.trigger.value}: {sums.cause}" if sums.cause else sums.trigger.value,
    )


def result_of(past: PastRun) -> str:
    """Say how a run ended for a target: one word where all jobs agree, else how many ended how."""
    halted = past.run is not None and past.sums.target in past.run.halted
    states = past.sums.states
    words = [state.value for state in states]
    if len(states) > 1:
        words = [f"{states[state]} {state.value}" for state in sorted(states)]
    return ", ".join([*(["halted"] if halted else []), *words])


def seconds_of(sums: TargetRun) -> float | None:
    """Say how long a run took; None while it goes on, or when nothing of it began."""
    if sums.finished_at is None or sums.started_at is None:
        return None
    return max(0.0, (sums.finished_at - sums.started_at).total_seconds())


def history_document(past: PastRun) -> dict[str, object]:
    """Give one run of a target as a document."""
    sums, run = past.sums, past.run
    return {
        "run": sums.run,
        "target": sums.target,
        "commits": sums.commits,
        "config_commit": sums.config_commit,
        "trigger": sums.trigger,
        "cause": sums.cause,
        "actor": None if run is None else run.actor,
        "result": result_of(past),
        "halted": None if run is None else run.halted.get(sums.target),
        "states": sums.states,
        "servers": sums.servers,
        "created_at": iso(sums.created_at),
        "started_at": iso(sums.started_at),
        "finished_at": iso(sums.finished_at),
        "seconds": seconds_of(sums),
    }
