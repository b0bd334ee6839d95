"""Small ports per noun, and the `Store` that holds them.

Every method is durable when it returns: writes of many callers are committed in groups by one writer. Reads see every
write that has returned. Errors of the database come out as `StateError`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from controller.model.applied import Applied
from controller.model.ids import JobId, RunId
from controller.model.job import Archived, Event, Job, JobBody, Run, State
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.past import TargetRun
from controller.model.standing import Fact, Standing
from controller.model.wishes import Wishes
from controller.store.ports_cleaning import Cleaning
from controller.store.ports_serving import (
    Answers,
    Contacts,
    Dues,
    Marks,
    Newsroom,
    Outbox,
    Parts,
    Tokens,
)


class Runs(Protocol):
    """Runs and their jobs."""

    async def add(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> bool:
        """Record a run with all its jobs in one transaction; say whether old runs were dropped to make room."""
        ...

    async def get(self, run: RunId) -> Run | None:
        """Find a run by its whole id."""
        ...

    async def list(self, *, limit: int = 50) -> tuple[Run, ...]:
        """List runs, newest first."""
        ...

    async def serial(self) -> int:
        """Count the runs that were ever recorded, those that were dropped since included."""
        ...

    async def finish(self, run: Run) -> None:
        """Record the end of a run."""
        ...


class Jobs(Protocol):
    """Jobs, what they were recorded with, and their ledgers."""

    async def append(self, job: Job, events: Sequence[Event]) -> None:
        """Append to a job's ledger and store the job as it stands after, in one transaction.

        Raises:
            IllegalTransitionError: an event's `seq` is taken, or the stored job has ended (`lost` aside).
        """
        ...

    async def get(self, job: JobId) -> Job | None:
        """Find a job by its whole id."""
        ...

    async def find(self, prefix: str) -> tuple[Job, ...]:
        """Find jobs whose id begins so, at most ten."""
        ...

    async def ids(self) -> frozenset[JobId]:
        """List the ids of all jobs that are kept."""
        ...

    async def body(self, job: JobId) -> JobBody:
        """Read what a job was recorded with."""
        ...

    async def bodies(self, jobs: Iterable[JobId]) -> Mapping[JobId, JobBody]:
        """Read what these jobs were recorded with at once; those that were never recorded are left out."""
        ...

    async def events(self, job: JobId) -> tuple[Event, ...]:
        """Read a job's ledger in order."""
        ...

    async def open(self) -> tuple[Job, ...]:
        """List every job that has not ended, and every lost one, oldest first."""
        ...

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        archived: bool | None = None,
        states: Collection[State] | None = None,
        before: JobId | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first.

        Args:
            run: only those of a run.
            target: only those of a target.
            server: only those on a server.
            archived: only those that are, or are not.
            states: only those in one of these.
            before: only those that were recorded before this one; none, when it is not kept any more.
            limit: so many at most.
        """
        ...

    async def past(self, target: str, *, limit: int = 20) -> tuple[TargetRun, ...]:
        """Sum up by run what ran of a target, newest first."""
        ...

    async def request_stop(self, job: JobId) -> bool:
        """Record the wish that a job stops; false when it has ended."""
        ...

    async def wish(self, job: JobId, change: Callable[[Wishes], Wishes]) -> bool:
        """Change what is wished of a job, in one transaction; false when it has ended."""
        ...

    async def archive(self, job: JobId, archived: Archived) -> None:
        """Record where the output of an ended job lies.

        Raises:
            IllegalTransitionError: it has not ended, or is lost.
        """
        ...

    async def to_archive(self, before: datetime, *, limit: int) -> tuple[Job, ...]:
        """List jobs that ended before a moment and are not archived, oldest first."""
        ...

    async def to_clear(self, *, limit: int) -> tuple[Job, ...]:
        """List archived jobs whose output may still lie where it was."""
        ...


class Records(Protocol):
    """Applied records by (target, server); how they were earlier is kept for a while."""

    async def all(
        self, *, as_of: datetime | None = None, targets: Collection[str] | None = None
    ) -> Mapping[tuple[str, str], Applied]:
        """Read every record, or those of some targets, as it is or as it was at a moment."""
        ...

    async def get(self, target: str, server: str) -> Applied | None:
        """Read the record of one pair."""
        ...

    async def targets(self) -> frozenset[str]:
        """Name the targets that have records."""
        ...

    async def put(self, records: Iterable[Applied]) -> None:
        """Store records, replacing those of the same pairs."""
        ...

    async def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Delete records."""
        ...


class Observations(Protocol):
    """What was last seen; what was seen earlier is kept for a while."""

    async def server(self, name: str) -> ServerSeen | None:
        """Read the last observation of one server."""
        ...

    async def servers(
        self, *, as_of: datetime | None = None, targets: Collection[str] | None = None
    ) -> Mapping[str, ServerSeen]:
        """Read the last observation of every server, up to a moment; with `targets` only what was seen of these there."""
        ...

    async def put_servers(self, seen: Iterable[ServerSeen]) -> None:
        """Replace the observations of these servers."""
        ...

    async def repos(self, *, as_of: datetime | None = None) -> Mapping[str, RepoSeen]:
        """Read what was last seen of every repo, up to a moment."""
        ...

    async def put_repo(self, seen: RepoSeen) -> None:
        """Replace what was seen of one repo."""
        ...


class Standings(Protocol):
    """What people decided: suspensions, approvals, pins, ignores."""

    async def all(self) -> Standing:
        """Read everything that stands, expired facts included."""
        ...

    async def put(self, fact: Fact) -> None:
        """Store a fact, replacing the one it takes the place of.

        A target has one suspension and one pin; of one person one approval of one digest; of one (target, server, path)
        one ignore.
        """
        ...

    async def lift(self, fact: Fact) -> bool:
        """Delete a fact; false when it is gone already."""
        ...


class Store(Protocol):
    """Everything on the shelf."""

    @property
    def runs(self) -> Runs:
        """Runs and their jobs."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Jobs and their ledgers."""
        ...

    @property
    def records(self) -> Records:
        """Applied records."""
        ...

    @property
    def observations(self) -> Observations:
        """What was last seen."""
        ...

    @property
    def standings(self) -> Standings:
        """What people decided."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Tokens of the API."""
        ...

    @property
    def parts(self) -> Parts:
        """Heartbeats of the parts of serving controllers."""
        ...

    @property
    def contacts(self) -> Contacts:
        """How servers were reached over time."""
        ...

    @property
    def dues(self) -> Dues:
        """Due times of schedules."""
        ...

    @property
    def marks(self) -> Marks:
        """Single values by name."""
        ...

    @property
    def newsroom(self) -> Newsroom:
        """What changed, in order."""
        ...

    @property
    def answers(self) -> Answers:
        """Answers to requests with an idempotency key."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Letters, and the troubles that people were told of."""
        ...

    @property
    def cleaning(self) -> Cleaning:
        """Deletes by age."""
        ...

    async def close(self) -> None:
        """Finish what is being written and let go of the database."""
        ...
