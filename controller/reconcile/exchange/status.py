"""How things stand: one screen of `ctl status`, and everything last seen for `ctl get`.

Made by `status` and the facade, shown by the faces, which show text from outside through `safe_text`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.applied import Applied
from controller.model.condition import Health, Sync
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.job import Job
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.plan import Summary
from controller.model.serving import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """One line of `ctl status`: wanted and applied commit (the repo's; None when there is none, or several)."""

    target: str
    task: str
    servers: int = 0
    in_sync: int = 0
    wanted: Sha | None = None
    applied: Sha | None = None
    sync: Sync
    health: Health
    reason: str
    """CamelCase."""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something a person should look at; `subject` is such as "server/web-1"; `clear` the command that helps."""

    subject: str
    reason: str
    message: str
    since: datetime | None = None
    clear: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """One screen. `diagnostics` with errors mean that the newest declarations are invalid (exit 1).

    `upcoming` are the next due times of schedules, by target, the soonest first.
    """

    commit: Sha | None = None
    dirty: bool = False
    author: str | None = None
    subject: str | None = None
    observed_at: datetime | None = None
    targets: tuple[TargetStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    running: tuple[Job, ...] = ()
    upcoming: tuple[tuple[str, datetime], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    summary: Summary = field(default_factory=Summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """Everything last seen, beside `declared()`: for `ctl get`."""

    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    repos: Mapping[str, RepoSeen] = field(default_factory=dict)
    records: Mapping[tuple[str, str], Applied] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    """How servers were reached over time; only a controller that stays knows."""
