"""The runs of a target: one line for each."""

from collections.abc import Sequence
from datetime import datetime

from controller.cli.dates import age, span
from controller.cli.views.style import Style
from controller.cli.views.tables import table
from controller.cli.views.words import line, short
from controller.reconcile.documents import result_of, seconds_of
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
