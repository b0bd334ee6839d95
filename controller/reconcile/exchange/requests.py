"""What the faces ask of a controller: records only.

Written by the faces (`cli`, `api`), carried out by the facade of this room. Times are seconds unless a field is a datetime (always UTC).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from controller.declaration.written import WrittenTask
from controller.model.plan import Plan
from controller.model.task import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What to plan.

    `at` plans the declarations of that commit, `between` (from, to) what changes from one commit to the other;
    `as_of` plans as it was at a moment, from what was recorded. All three open no server. `refresh` False opens none
    either and uses what was last seen. `limit` is a selector, `targets` names; empty means all. `heal` treats
    `on_drift: report` as `heal`. `full` asks for changes of pairs in sync, too, as `none`. `overrides` maps a gate or a
    limit of the guard to the reason a person gave.
    """

    at: str | None = None
    as_of: datetime | None = None
    between: tuple[str, str] | None = None
    refresh: bool = True
    limit: str | None = None
    targets: tuple[str, ...] = ()
    heal: bool = False
    full: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)


Confirm = Callable[[Plan], bool]
"""Shows a plan to a person and says whether to go on; may block (it is called in a thread)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """What to apply: the saved plan in `planfile`, what is left of the run `resume`, else a plan made now.

    `timeout` bounds the waiting, not the work. `confirm` is asked once before anything is touched, and not at
    all when the plan would do nothing. `overrides` maps a gate or a limit of the guard to the reason a person gave.
    `failed_only` leaves out what the resumed run never began. `signers` is a file of those one of whom must have signed
    the saved plan. Without `wait` the run is left alone when it is recorded; only a controller that stays can do that.
    """

    planfile: Path | None = None
    signers: Path | None = None
    resume: str | None = None
    failed_only: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    limit: str | None = None
    targets: tuple[str, ...] = ()
    heal: bool = False
    allow_dirty: bool = False
    wait: bool = True
    timeout: float | None = None
    parallel: int = 50
    confirm: Confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where an agent listens that is not declared."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A task, a target or a command to run now on the servers that `on` selects (a target: within its members; None: all).

    A `task` that is not declared is a script that the servers themselves offer, which gets `words` as its arguments; without a
    task or target, `words` are the command. `params` are texts as typed, converted by the parameter's schema. `stdin` goes to
    the first step; `interactive` keeps its input open for `attach`. `outdir` takes `file` results. `user` and `limits` are of
    undeclared work. `address` stands for `on`. `written` is a task that was written for this run alone.
    """

    task: str | None = None
    target: str | None = None
    on: str | None = None
    address: Address | None = None
    words: tuple[str, ...] = ()
    written: WrittenTask | None = None
    user: str | None = None
    limits: Limits = field(default_factory=Limits)
    interactive: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    outdir: Path | None = None
    detach: bool = False
    timeout: float | None = None
    parallel: int = 50
