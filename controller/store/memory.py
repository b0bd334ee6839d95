"""The reference twin: the same promises as SQLite but durability, in dictionaries.

Used by tests, and by anything that needs a store for one moment. Records pass through the same text as on SQLite, so that what
can be kept, and how it reads back, is the same.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.clock import Clock, SystemClock
from controller.errors import NotFoundError
from controller.model.applied import Applied
from controller.model.ids import JobId, RunId
from controller.model.job import Archived, Event, Job, JobBody, Run, State
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.past import TargetRun
from controller.model.wishes import Wishes
from controller.model.work import Work
from controller.store.cleaning import is_old
from controller.store.glance import target_runs
from controller.store.laws import (
    already_recorded,
    check_events,
    check_fan_out,
    has_ended,
    has_not_ended,
    may_change,
    seq_taken,
    unknown_job,
)
from controller.store.memory_cleaning import MemoryCleaning
from controller.store.memory_outbox import MemoryOutbox
from controller.store.memory_past import MemoryPast
from controller.store.memory_serving import (
    MemoryContacts,
    MemoryDues,
    MemoryMarks,
    MemoryParts,
)
from controller.store.memory_standings import MemoryStandings
from controller.store.memory_talk import MemoryAnswers, MemoryNewsroom, MemoryTokens
from controller.store.outline import by_pair, by_server
from controller.store.past import Kind, of_forgotten, of_record, of_repo, of_server
from controller.store.rows import (
    Beside,
    BodyRow,
    body_row,
    decode,
    encode,
    kept_server,
    moment_text,
    stored_job,
    whole_body,
)
from controller.store.tables import UNSETTLED

FOUND: Final = 10
CLOCK: Final = SystemClock()

Texts = tuple[str, str, str | None]
"""A body without its works, its work, and the work that takes it back."""


class MemoryJobs:
    """Jobs, what they were recorded with, and their ledgers."""

    def __init__(self) -> None:
        self._jobs: dict[JobId, str] = {}
        self._beside: dict[JobId, Beside] = {}
        self._bodies: dict[JobId, Texts] = {}
        self._events: dict[JobId, dict[int, str]] = {}

    def known(self, job: JobId) -> bool:
        """Whether a job is recorded."""
        return job in self._jobs

    def record(self, job: Job, data: str, body: Texts) -> None:
        """Take a job that `MemoryRuns` records."""
        self._jobs[job.id] = data
        self._beside[job.id] = Beside(stop_requested=job.stop_requested)
        self._bodies[job.id] = body
        self._events[job.id] = {}

    def unsettled(self) -> frozenset[RunId]:
        """Name the runs with a job that has not ended, or is lost."""
        return frozenset(
            job.run for job in map(self._one, self._jobs) if job.state.value in UNSETTLED
        )

    def drop(self, runs: Collection[RunId]) -> None:
        """Delete the jobs of some runs, with all that belongs to them."""
        for id_ in [id_ for id_ in self._jobs if self._one(id_).run in runs]:
            del self._jobs[id_], self._beside[id_], self._bodies[id_], self._events[id_]

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
        self._jobs[job.id] = data
        if job.stop_requested:
            self._beside[job.id] = replace(self._beside[job.id], stop_requested=True)

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
        row, work, undo = self._bodies[job]
        back = None if undo is None else decode(Work, undo)
        return whole_body(decode(BodyRow, row), decode(Work, work), back)

    async def bodies(self, jobs: Iterable[JobId]) -> Mapping[JobId, JobBody]:
        """Read what these jobs were recorded with; those that were never recorded are left out."""
        return {job: await self.body(job) for job in jobs if job in self._bodies}

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
        archived: bool | None = None,
        states: Collection[State] | None = None,
        before: JobId | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first; with `before` only those that were recorded before that one."""
        found = [
            job
            for job in map(self._one, self._older(before))
            if run in {None, job.run} and target in {None, job.target}
            if server in {None, job.server}
            if archived in {None, job.archived is not None}
            if states is None or job.state in states
        ]
        return tuple(found[:limit])

    async def past(self, target: str, *, limit: int = 20) -> tuple[TargetRun, ...]:
        """Sum up by run what ran of a target, newest first."""
        rows = [data for job, data in self._jobs.items() if self._one(job).target == target]
        return target_runs(rows)[:limit]

    async def request_stop(self, job: JobId) -> bool:
        """Record the wish that a job stops; false when it has ended."""
        stored = self._one(job)
        if not may_change(stored.state):
            return False
        self._beside[job] = replace(self._beside[job], stop_requested=True)
        return True

    async def wish(self, job: JobId, change: Callable[[Wishes], Wishes]) -> bool:
        """Change what is wished of a job; false when it has ended."""
        stored = self._one(job)
        if not may_change(stored.state):
            return False
        self._beside[job] = replace(self._beside[job], wishes=encode(change(stored.wishes)))
        return True

    async def archive(self, job: JobId, archived: Archived) -> None:
        """Record where the output of an ended job lies."""
        stored = self._one(job)
        if may_change(stored.state):
            raise has_not_ended(job, stored.state)
        self._beside[job] = replace(self._beside[job], archived=encode(archived))

    async def to_archive(self, before: datetime, *, limit: int) -> tuple[Job, ...]:
        """List jobs that ended before a moment and are not archived, oldest first."""
        found = [
            job
            for job in map(self._one, self._jobs)
            if not may_change(job.state) and job.archived is None
            if job.finished_at is not None
            if moment_text(job.finished_at) < moment_text(before)
        ]
        return tuple(found[:limit])

    async def to_clear(self, *, limit: int) -> tuple[Job, ...]:
        """List archived jobs whose output may still lie where it was."""
        jobs = map(self._one, self._jobs)
        found = [job for job in jobs if job.archived is not None and not job.archived.cleared]
        return tuple(found[:limit])

    def _older(self, before: JobId | None) -> Sequence[JobId]:
        """List ids, newest first, from the one before `before` on."""
        newest = list(reversed(self._jobs))
        if before is None:
            return newest
        return newest[newest.index(before) + 1 :] if before in self._jobs else []

    def _one(self, job: JobId) -> Job:
        if job not in self._jobs:
            raise unknown_job(job)
        return stored_job(self._jobs[job], self._beside[job])


class MemoryRuns:
    """Runs and their jobs."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs
        self._runs: dict[RunId, str] = {}
        self._count = 0

    def old(self, before: datetime, *, keep: int, limit: int) -> tuple[RunId, ...]:
        """List runs that may go, oldest first: those that ended before a moment, or are beyond the newest `keep`."""
        newest = len(self._runs) - 1
        unsettled = self._jobs.unsettled()
        numbered = list(enumerate(self._runs.items()))[:newest]
        may_go = [one for one in numbered if one[1][0] not in unsettled][:limit]
        return tuple(
            id_
            for number, (id_, data) in may_go
            if is_old(decode(Run, data), before) or newest - number >= keep
        )

    def drop(self, runs: Sequence[RunId]) -> int:
        """Delete runs with their jobs; those that may not go stay."""
        unsettled, newest = self._jobs.unsettled(), next(reversed(self._runs), None)
        gone = {id_ for id_ in runs if id_ in self._runs and id_ not in unsettled and id_ != newest}
        self._jobs.drop(gone)
        for id_ in gone:
            del self._runs[id_]
        return len(gone)

    async def add(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> bool:
        """Record a run with all its jobs, or nothing of it; nothing old is ever dropped for it."""
        check_fan_out(run, jobs)
        data = encode(run)
        bodies = [_texts(body) for _, body in jobs]
        texts = [encode(job) for job, _ in jobs]
        if run.id in self._runs:
            raise already_recorded("run", run.id)
        for job, _ in jobs:
            if self._jobs.known(job.id):
                raise already_recorded("job", job.id)
        self._runs[run.id] = data
        self._count += 1
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

    async def serial(self) -> int:
        """Count the runs that were ever recorded."""
        return self._count

    async def finish(self, run: Run) -> None:
        """Record the end of a run."""
        data = encode(run)
        if run.id not in self._runs:
            raise NotFoundError(f"cannot finish run {run.id}: it was never recorded")
        self._runs[run.id] = data


class MemoryRecords:
    """Applied records by (target, server)."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._records: dict[tuple[str, str], str] = {}
        self._past = MemoryPast(clock)

    def drop_past(self, before: datetime, limit: int) -> int:
        """Delete what was in force before a moment and is not any more."""
        return self._past.drop(before, limit)

    async def all(
        self, *, as_of: datetime | None = None, targets: Collection[str] | None = None
    ) -> Mapping[tuple[str, str], Applied]:
        """Read every record, or those of some targets, as it is or as it was at a moment."""
        now = [data for _, data in sorted(self._records.items())]
        return by_pair(now if as_of is None else self._past.recall(Kind.RECORD, as_of), targets)

    async def get(self, target: str, server: str) -> Applied | None:
        """Read the record of one pair."""
        data = self._records.get((target, server))
        return None if data is None else decode(Applied, data)

    async def targets(self) -> frozenset[str]:
        """Name the targets that have records."""
        return frozenset(target for target, _ in self._records)

    async def put(self, records: Iterable[Applied]) -> None:
        """Store records, replacing those of the same pairs."""
        made = [(one, encode(one)) for one in records]
        self._records |= {(one.target, one.server): data for one, data in made}
        self._past.remember(of_record(one, data) for one, data in made)

    async def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Delete records; what they were stays in the history."""
        for pair in pairs:
            self._records.pop(pair, None)
            self._past.remember([of_forgotten(*pair)])


class MemoryObservations:
    """What was last seen; what was seen earlier is kept for a while."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._servers: dict[str, str] = {}
        self._repos: dict[str, str] = {}
        self._past = MemoryPast(clock)

    def drop_past(self, before: datetime, limit: int) -> int:
        """Delete what was in force before a moment and is not any more."""
        return self._past.drop(before, limit)

    async def server(self, name: str) -> ServerSeen | None:
        """Read the last observation of one server."""
        data = self._servers.get(name)
        return None if data is None else decode(ServerSeen, data)

    async def servers(
        self, *, as_of: datetime | None = None, targets: Collection[str] | None = None
    ) -> Mapping[str, ServerSeen]:
        """Read the last observation of every server, up to a moment; with `targets` only what was seen of these there."""
        now = [data for _, data in sorted(self._servers.items())]
        return by_server(now if as_of is None else self._past.recall(Kind.SERVER, as_of), targets)

    async def put_servers(self, seen: Iterable[ServerSeen]) -> None:
        """Replace the observations of these servers."""
        made = [(one, encode(one)) for one in map(kept_server, seen)]
        self._servers |= {one.server: data for one, data in made}
        self._past.remember(of_server(one, data) for one, data in made)

    async def repos(self, *, as_of: datetime | None = None) -> Mapping[str, RepoSeen]:
        """Read what was last seen of every repo, up to a moment."""
        now = [data for _, data in sorted(self._repos.items())]
        rows = now if as_of is None else self._past.recall(Kind.REPO, as_of)
        return {one.repo: one for one in (decode(RepoSeen, data) for data in rows)}

    async def put_repo(self, seen: RepoSeen) -> None:
        """Replace what was seen of one repo."""
        data = encode(seen)
        self._repos[seen.repo] = data
        self._past.remember([of_repo(seen, data)])


class MemoryStore:
    """Everything on the shelf, gone with the process."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self.jobs = MemoryJobs()
        self.runs = MemoryRuns(self.jobs)
        self.records = MemoryRecords(clock)
        self.observations = MemoryObservations(clock)
        self.standings = MemoryStandings()
        self.tokens = MemoryTokens()
        self.parts = MemoryParts()
        self.contacts = MemoryContacts()
        self.dues = MemoryDues()
        self.marks = MemoryMarks()
        self.newsroom = MemoryNewsroom()
        self.answers = MemoryAnswers()
        self.outbox = MemoryOutbox()
        self.cleaning = MemoryCleaning(
            self.runs,
            history=(self.records.drop_past, self.observations.drop_past),
            letters=self.outbox.drop,
            dues=self.dues.drop,
        )

    async def close(self) -> None:
        """Nothing has to be finished."""


def _texts(body: JobBody) -> Texts:
    undo = None if body.undo is None else encode(body.undo)
    return encode(body_row(body)), encode(body.work), undo
