"""One job in hand: everything its drivers share.

Made by `job`; handed to `claim`, `step` and `attempt`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.jobs.knock import Knock
from controller.jobs.link import Link
from controller.jobs.ports import Equipment
from controller.jobs.record import Recorder
from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.job import Job, JobBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A job, the way to its server, and what was known of the pair before it.

    `was_marker` is the SHA-256 of the marker under the target's earlier name, None where there was none. `values` maps secret name to value. `stdin` goes to the first step of a job that is recorded as fed; None where this
    process does not have it. Both live in memory only. `held` says why the job must not begin after all. `knock` wakes those who
    wait for their next look at the server.
    """

    equipment: Equipment
    recorder: Recorder
    link: Link
    body: JobBody
    knock: Knock
    previous: Applied | None = None
    was_marker: Digest | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes | None = field(default=None, repr=False)
    held: Callable[[], str | None] = lambda: None

    @property
    def job(self) -> Job:
        """The job as it stands."""
        return self.recorder.job

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets of the job by environment name."""
        return {
            name: self.values[secret]
            for name, secret in self.body.work.secrets.items()
            if secret in self.values
        }
