"""What the loop carries out of a plan of one target, what it lets wait, and what of an earlier run is out of date.

Pure. Called by `targets`. The gates have spoken before; here stands what only a controller needs that goes on by itself: not to try
the same thing again and again, not to heal for ever, and not to begin what a newer commit made pointless.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import HALTED
from controller.model.ids import Digest, JobId, Sha
from controller.model.job import Job, State, Trigger
from controller.model.plan import Action, Change, Gate, Plan
from controller.planning.applying import apply_set

HEALS: Final = 3
"""Times that drift of one pair is healed within `HEAL_SECONDS`."""
HEAL_SECONDS: Final = 3600.0
FIRST_SECONDS: Final = 60.0
"""After a job that came to nothing, though no gate holds its pair, the next waits so long; then twice as long, and so on."""
LONGEST_SECONDS: Final = 3600.0
SUPERSEDED: Final = "superseded by"
"""Begin of the reason of a job that a newer commit made pointless."""
BY_THEMSELVES: Final = frozenset(
    {Trigger.INPUTS, Trigger.DRIFT, Trigger.ROLLBACK, Trigger.REMOVAL, Trigger.SCHEDULE}
)
"""Why a job was made that nobody asked for by name; only such a job may become out of date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be done now. `held` says of pairs why they wait although no gate holds them, `due` when one of them need not."""

    changes: tuple[Change, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    due: datetime | None = None


def superseded(
    jobs: Iterable[Job], wanted: Mapping[str, Digest | None], commit: Sha | None
) -> dict[JobId, str]:
    """Say which jobs that never began are out of date, and why.

    Args:
        jobs: the open jobs of a target.
        wanted: by server the input digest that is wanted now; None where the pair is to go.
        commit: what made them so, for people.
    """
    by = f"{SUPERSEDED} {'other declarations' if commit is None else commit[:12]}"
    return {
        job.id: by
        for job in jobs
        if job.state is State.PENDING
        and job.trigger in BY_THEMSELVES
        and wanted.get(job.server) != (None if job.trigger is Trigger.REMOVAL else job.digest)
    }


def choose(
    plan: Plan,
    name: str,
    *,
    taken: Iterable[str],
    past: Mapping[str, Sequence[Job]],
    now: datetime,
) -> Choice:
    """Say what of a plan is carried out of one target.

    Args:
        plan: what could be done.
        name: the target.
        taken: servers on which a job of it waits or is at work.
        past: by server the newest jobs of the target there, the newest first.
        now: the time.
    """
    busy = set(taken)
    changes, held, due = [], {}, []
    for change in apply_set(plan):
        if change.target != name or change.server in busy:
            continue
        why = waits(change, past.get(change.server, ()), now)
        if why is None:
            changes.append(change)
        else:
            held[change.server], until = why
            due += [] if until is None else [until]
    return Choice(changes=tuple(changes), held=held, due=min(due, default=None))


def waits(change: Change, past: Sequence[Job], now: datetime) -> tuple[str, datetime | None] | None:
    """Say why a change is not carried out yet, and until when (None: until something changes); None where it is."""
    if change.action is Action.FORGET:
        return None
    if change.blocked_by is not None and change.blocked_by.gate is Gate.OFFLINE:
        # The target says what becomes of a server that is away: that is said once for the same inputs.
        said = past and past[0].digest == change.after and past[0].reason == UNREACHABLE
        return ("told once that it is away", None) if said else None
    if past and past[0].reason == HALTED and past[0].digest == change.after:
        run = past[0].run
        return f"the rollout of run {run} was halted: ctl apply --resume {run}", None
    until = heal_at(past, now) if change.action is Action.REPAIR else again_at(change, past, now)
    if until is None or until <= now:
        return None
    if change.action is Action.REPAIR:
        return f"healed {HEALS} times within an hour", until
    return f"run {past[0].run} ended {past[0].state}", until


def heal_at(past: Sequence[Job], now: datetime) -> datetime | None:
    """Say when drift of a pair may be healed again; None: now."""
    since = now - timedelta(seconds=HEAL_SECONDS)
    heals = [
        job.created_at
        for job in past
        if job.trigger is Trigger.DRIFT and since < job.created_at <= now
    ]
    if len(heals) < HEALS:
        return None
    return sorted(heals)[-HEALS] + timedelta(seconds=HEAL_SECONDS)


def again_at(change: Change, past: Sequence[Job], now: datetime) -> datetime | None:
    """Say when what came to nothing may be tried again: ever later, while it is the same again and again; None: now.

    What ended in the future ended before the clock was set back: nobody knows how long ago, and the next end will tell.
    """
    last, times = None, 0
    for job in past:
        withdrawn = (job.reason or "").startswith(SUPERSEDED)
        if job.digest != change.after or job.state is State.SUCCEEDED or withdrawn:
            break
        if job.state.ended:
            last = last or job.finished_at
            times += 1
    if last is None or last > now:
        return None
    pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(times - 1, 10))
    return last + timedelta(seconds=pause)
