"""What ran of a target in one run, summed up: for its history, and to find what to go back to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.ids import RunId, Sha
from controller.model.job import State, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRun:
    """The jobs of one target in one run.

    `states` counts them by state. `commits` are the repo's, in order of recording; it has several only after a retry of old
    work. `cause` is that of the first job, `servers` are in order of name.
    """

    run: RunId
    target: str
    created_at: datetime
    trigger: Trigger = Trigger.INPUTS
    cause: str = ""
    commits: tuple[Sha, ...] = ()
    config_commit: Sha | None = None
    states: Mapping[State, int] = field(default_factory=dict)
    servers: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it goes on."""
        return all(state.ended for state in self.states)

    @property
    def succeeded(self) -> bool:
        """Whether every job of it ended well."""
        return set(self.states) == {State.SUCCEEDED}
