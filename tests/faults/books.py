"""The books of a real controller, read from its state folder while nobody writes there, and everything they are held to.

Called by the tests of faults at their end, after the controller was stopped.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from controller.model.ids import AttemptId, JobId
from controller.model.job import Event, Job, Run
from controller.model.work import Work
from controller.store.rows import decode
from tests.faults import oracle


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a state folder says."""

    folder: Path
    runs: Mapping[str, Run]
    jobs: Mapping[str, Job]
    events: Mapping[str, Sequence[Event]]
    allowed: Mapping[tuple[str, str], int]
    """How often each step of a job may begin."""
    stored: Mapping[AttemptId, bytes]

    @property
    def ids(self) -> set[str]:
        """The ids of all runs and jobs."""
        return {*self.runs, *self.jobs}


@dataclass(slots=True, kw_only=True)
class Watched:
    """What a test saw from outside."""

    accepted: set[str] = field(default_factory=set)
    """Ids of runs and jobs that were answered with 2xx."""
    starts: list[str] = field(default_factory=list)
    """Attempts, as often as they said themselves that they began."""
    written: dict[AttemptId, bytes] = field(default_factory=dict)
    """What attempts wrote."""
    canaries: list[bytes] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What processes wrote for people."""
    places: list[Path] = field(default_factory=list)
    """Where no secret may stand, beside the state folder."""
    kills: int = 0


def read_books(folder: Path) -> Books:
    """Read a state folder that nobody writes."""
    with closing(sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True)) as shelf:
        runs = [decode(Run, row[0]) for row in shelf.execute("SELECT data FROM runs")]
        jobs = [decode(Job, row[0]) for row in shelf.execute("SELECT data FROM jobs")]
        events: dict[str, list[Event]] = {job.id: [] for job in jobs}
        for job, data in shelf.execute("SELECT job, data FROM events ORDER BY job, seq"):
            events[job].append(decode(Event, data))
        asked = "SELECT bodies.job, works.data FROM bodies JOIN works ON works.digest = bodies.work"
        allowed = {
            (job, step.name): 1 + step.retry.limit
            for job, data in shelf.execute(asked)
            for step in decode(Work, data).steps
        }
    return Books(
        folder=folder,
        runs={run.id: run for run in runs},
        jobs={job.id: job for job in jobs},
        events=events,
        allowed=allowed,
        stored={
            AttemptId(f"{path.parent.name}.{path.name}"): path.read_bytes()
            for path in (folder / "output").glob("*/*")
            if path.suffix != ".gaps"
        },
    )


def judge(books: Books, watched: Watched) -> None:
    """Hold a controller that was stopped in peace, with everything in reach, to all its promises."""
    oracle.database_sound(books.folder / "state.db")
    oracle.accepted_exist(watched.accepted, books.ids)
    oracle.started_once(watched.starts)
    oracle.as_often_as_allowed(watched.starts, books.allowed)
    for job in books.jobs.values():
        oracle.ends_stay(job.id, books.events[job.id])
        oracle.output_whole(job, watched.written, books.stored)
    oracle.nothing_passing(books.jobs.values())
    for log in sorted((books.folder / "logs").glob("*.log")):
        told = oracle.read_chain(log)
        oracle.told_before_and_after(told, broken_off=cut_off(told, watched.kills))
    said = "\n".join(watched.said).encode()
    oracle.no_canary(watched.canaries, [books.folder, *watched.places], said)


def cut_off(told: Iterable[oracle.Told], kills: int) -> int:
    """Say how many second lines kills may have cut off: of a job none, since whoever takes it up ends it."""
    most = sum(one.event in oracle.ANSWERS and one.event != "job-starting" for one in told)
    return min(most, kills * 3)


def begun(books: Books) -> set[JobId]:
    """List the jobs of which something was sent to a server."""
    return {job.id for job in books.jobs.values() if any(step.attempts for step in job.steps)}
