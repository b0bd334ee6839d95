"""How jobs count for the limits of their target: what went wrong is counted apart, and added up against `max_failures`.

Pure. Asked by `board` while a run goes on, by `closing` when it is over or taken up, and by `report`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import UNHEALTHY
from controller.model.job import Job, State
from controller.model.rollout import Order

FAILED: Final = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED, State.LOST})


class Fate(StrEnum):
    """What became of a job."""

    GOOD = "good"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    UNHEALTHY = "unhealthy"
    LEFT = "left"  # cancelled or skipped: nothing is known to be wrong with the server


BAD: Final = (Fate.FAILED, Fate.UNREACHABLE, Fate.UNHEALTHY)


def fate_of(job: Job) -> Fate | None:
    """Say what became of a job; None while it is open.

    A job whose server was not reached counts as such although `queue` leaves it open: this run does not try it again.
    What may run on a server that fell silent (`lost`) is a failure.
    """
    if job.reason == UNREACHABLE and job.state is not State.LOST:
        return Fate.UNREACHABLE
    if not job.state.ended:
        return None
    if job.state in FAILED:
        return Fate.UNHEALTHY if job.reason == UNHEALTHY else Fate.FAILED
    return Fate.GOOD if job.state is State.SUCCEEDED else Fate.LEFT


def why_halted(order: Order, fates: Mapping[Fate, int]) -> str | None:
    """Say in words why nothing more of a target may start; None when it may.

    Args:
        order: what the target is to keep to.
        fates: how many of its jobs came to each fate.
    """
    if order.max_failures is None:
        return None
    failed, *others = (fates.get(fate, 0) for fate in BAD)
    counts = (failed + order.failed, *others)
    if sum(counts) <= order.max_failures:
        return None
    said = ", ".join(f"{n} {fate}" for n, fate in zip(counts, BAD, strict=True))
    return f"{said} of at most {order.max_failures}"


def halted(orders: Mapping[str, Order], jobs: Iterable[Job]) -> dict[str, str]:
    """Say by target why nothing more of it may start, from the jobs of a run as they stand in the store."""
    fates: dict[str, Counter[Fate]] = defaultdict(Counter)
    for job in jobs:
        fate = fate_of(job)
        if fate is not None and job.target is not None:
            fates[job.target][fate] += 1
    whys = {target: why_halted(orders[target], fates[target]) for target in sorted(orders)}
    return {target: why for target, why in whys.items() if why is not None}
