"""The reference twin: the same promises as SQLite but durability, in dictionaries.

Used by tests, and by anything that needs a store for one moment. Records pass through the same text as on SQLite, so that what
can be kept, and how it reads back, is the same.
"""

from collections.abc import Iterable, Mapping, Sequence

from controller.errors import NotFoundError
from controller.model.applied import Applied
from controller.model.ids import JobId, RunId
from controller.model.job import Event, Job, JobBody, Run
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.work import Work
from controller.store.laws import (
    already_recorded,
    check_events,
    check_fan_out,
    has_ended,
    may_change,
    seq_taken,
    unknown_job,
)
from controller.store.rows import (
    BodyRow,
    body_row,
    decode,
    encode,
    stored_job,
    whole_body,
)

FOUND = 10


class MemoryJobs:
    """Jobs, what they were recorded with, and their ledgers."""

    def __init__(self) -> None:
        self._jobs: dict[JobId, tuple[str, bool]] = {}
        self._bodies: dict[JobId, tuple[str, str]] = {}
        self._events: dict[JobId, dict[int, str]] = {}

    def known(self, job: JobId) -> bool:
        """Whether a job is recorded."""
        return job in self._jobs

    def record(self, job: Job, data: str, body: tuple[str, str]) -> None:
        """Take a job that `MemoryRuns` records."""
        self._jobs[job.id] = (data, job.stop_requested)
        self._bodies[job.id] = body
        self._events[job.id] = {}

    async def append(self, job: Job, events: Sequence[Event]) -> None:
        """Append to a job's ledger and store the job as it stands after."""
        check_events(job, events)
        lines = {event.seq: encode(event) for event in events}
        data = encode(job)
        stored = self._one(job.id)
        if not may_change(stored.state):
            raise has_ended(job.id, stored.state)
        for seq in lines:
            if seq in self._events[job.id]:
                raise seq_taken(job.id, seq)
        self._events[job.id].update(lines)
        self._jobs[job.id] = (data, stored.stop_requested or job.stop_requested)

    async def get(self, job: JobId) -> Job | None:
        """Find a job by its whole id."""
        return self._one(job) if job in self._jobs else None

    async def find(self, prefix: str) -> tuple[Job, ...]:
        """Find jobs whose id begins so, at most ten."""
        found = sorted(name for name in self._jobs if name.startswith(prefix))
        return tuple(self._one(name) for name in found[:FOUND])

    async def ids(self) -> frozenset[JobId]:
        """List the ids of all jobs that are kept."""
        return frozenset(self._jobs)

    async def body(self, job: JobId) -> JobBody:
        """Read what a job was recorded with."""
        if job not in self._bodies:
            raise unknown_job(job)
        row, work = self._bodies[job]
        return whole_body(decode(BodyRow, row), decode(Work, work))

    async def events(self, job: JobId) -> tuple[Event, ...]:
        """Read a job's ledger in order."""
        lines = self._events.get(job, {})
        return tuple(decode(Event, lines[seq]) for seq in sorted(lines))

    async def open(self) -> tuple[Job, ...]:
        """List every job that has not ended, and every lost one, oldest first."""
        return tuple(job for job in map(self._one, self._jobs) if may_change(job.state))

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first."""
        found = [
            job
            for job in map(self._one, reversed(self._jobs))
            if run in {None, job.run} and target in {None, job.target}
            if server in {None, job.server}
        ]
        return tuple(found[:limit])

    async def request_stop(self, job: JobId) -> bool:
        """Record the wish that a job stops; false when it has ended."""
        stored = self._one(job)
        if not may_change(stored.state):
            return False
        self._jobs[job] = (self._jobs[job][0], True)
        return True

    def _one(self, job: JobId) -> Job:
        if job not in self._jobs:
            raise unknown_job(job)
        data, stop = self._jobs[job]
        return stored_job(data, stop_requested=stop)


class MemoryRuns:
    """Runs and their jobs."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs
        self._runs: dict[RunId, str] = {}

    async def add(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> bool:
        """Record a run with all its jobs, or nothing of it; nothing old is ever dropped for it."""
        check_fan_out(run, jobs)
        data = encode(run)
        bodies = [(encode(body_row(body)), encode(body.work)) for _, body in jobs]
        texts = [encode(job) for job, _ in jobs]
        if run.id in self._runs:
            raise already_recorded("run", run.id)
        for job, _ in jobs:
            if self._jobs.known(job.id):
                raise already_recorded("job", job.id)
        self._runs[run.id] = data
        for (job, _), text, body in zip(jobs, texts, bodies, strict=True):
            self._jobs.record(job, text, body)
        return False

    async def get(self, run: RunId) -> Run | None:
        """Find a run by its whole id."""
        return decode(Run, self._runs[run]) if run in self._runs else None

    async def list(self, *, limit: int = 50) -> tuple[Run, ...]:
        """List runs, newest first."""
        newest = list(reversed(self._runs.values()))[:limit]
        return tuple(decode(Run, data) for data in newest)

    async def finish(self, run: Run) -> None:
        """Record the end of a run."""
        data = encode(run)
        if run.id not in self._runs:
            raise NotFoundError(f"cannot finish run {run.id}: it was never recorded")
        self._runs[run.id] = data


class MemoryRecords:
    """Applied records by (target, server)."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], str] = {}

    async def all(self) -> Mapping[tuple[str, str], Applied]:
        """Read every record."""
        return {pair: decode(Applied, data) for pair, data in sorted(self._records.items())}

    async def put(self, records: Iterable[Applied]) -> None:
        """Store records, replacing those of the same pairs."""
        self._records |= {(one.target, one.server): encode(one) for one in records}

    async def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Delete records."""
        for pair in pairs:
            self._records.pop(pair, None)


class MemoryObservations:
    """What was last seen."""

    def __init__(self) -> None:
        self._servers: dict[str, str] = {}
        self._repos: dict[str, str] = {}

    async def servers(self) -> Mapping[str, ServerSeen]:
        """Read the last observation of every server."""
        return {name: decode(ServerSeen, data) for name, data in sorted(self._servers.items())}

    async def put_servers(self, seen: Iterable[ServerSeen]) -> None:
        """Replace the observations of these servers."""
        self._servers |= {one.server: encode(one) for one in seen}

    async def repos(self) -> Mapping[str, RepoSeen]:
        """Read what was last seen of every repo."""
        return {name: decode(RepoSeen, data) for name, data in sorted(self._repos.items())}

    async def put_repo(self, seen: RepoSeen) -> None:
        """Replace what was seen of one repo."""
        self._repos[seen.repo] = encode(seen)


class MemoryStore:
    """Everything on the shelf, gone with the process."""

    def __init__(self) -> None:
        self.jobs = MemoryJobs()
        self.runs = MemoryRuns(self.jobs)
        self.records = MemoryRecords()
        self.observations = MemoryObservations()

    async def close(self) -> None:
        """Nothing has to be finished."""
