"""What people decide about a target, and what they are told of it: records only.

Written by `standing`, `rollback` and `history`, read by the faces. Text that came from outside is raw here.
"""

from dataclasses import dataclass

from controller.model.ids import Digest
from controller.model.job import Run
from controller.model.past import TargetRun
from controller.model.plan import Plan
from controller.model.standing import Approval, Pin, Suspension


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A target that was suspended; `replaced` is the suspension that stood before."""

    suspension: Suspension
    replaced: Suspension | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A target that was resumed; `lifted` None: nobody had suspended it. `declared`: its declaration still does."""

    lifted: Suspension | None = None
    declared: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What was approved; without `digest` there was nothing to approve, without `approval` a person did not say yes."""

    plan: Plan
    digest: Digest | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """A target that was pinned; `replaced` is the pin that stood before. `files` counts what differs."""

    pin: Pin
    replaced: Pin | None = None
    files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """What ran of a target in one run; `run` None where it was dropped since."""

    sums: TargetRun
    run: Run | None = None
