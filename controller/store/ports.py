"""Small ports per noun, and the `Store` that holds them.

Every method is durable when it returns: writes of many callers are committed in groups by one writer. Reads see every
write that has returned. Errors of the database come out as `StateError`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from controller.model.applied import Applied
from controller.model.ids import JobId, RunId
from controller.model.job import Event, Job, JobBody, Run
from controller.model.observation import RepoSeen, ServerSeen


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
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first."""
        ...

    async def request_stop(self, job: JobId) -> bool:
        """Record the wish that a job stops; false when it has ended."""
        ...


class Records(Protocol):
    """Applied records by (target, server)."""

    async def all(self) -> Mapping[tuple[str, str], Applied]:
        """Read every record."""
        ...

    async def put(self, records: Iterable[Applied]) -> None:
        """Store records, replacing those of the same pairs."""
        ...

    async def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Delete records."""
        ...


class Observations(Protocol):
    """What was last seen."""

    async def servers(self) -> Mapping[str, ServerSeen]:
        """Read the last observation of every server."""
        ...

    async def put_servers(self, seen: Iterable[ServerSeen]) -> None:
        """Replace the observations of these servers."""
        ...

    async def repos(self) -> Mapping[str, RepoSeen]:
        """Read what was last seen of every repo."""
        ...

    async def put_repo(self, seen: RepoSeen) -> None:
        """Replace what was seen of one repo."""
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

    async def close(self) -> None:
        """Finish what is being written and let go of the database."""
        ...
