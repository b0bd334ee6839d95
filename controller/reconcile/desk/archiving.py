"""Putting ended jobs away: output and artifacts go into one file a job, and the job leaves the lists.

Called by the desk; calls the archive and the store. In this order, so that a kill between two of them loses nothing and the next
call goes on: the archive is durable, the store says so, what it holds is deleted, the store says that, too.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, RefusedError
from controller.journal.archive import StoredArchive
from controller.journal.artifacts import ArtifactFiles
from controller.journal.output import OutputFiles
from controller.model.ids import JobId
from controller.model.job import Archived, Job, State
from controller.reconcile.rooms import Rooms
from controller.store.rows import encode

AT_ONCE: Final = 100
"""Jobs that are archived in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of one job, wherever it lies."""

    output: OutputFiles
    artifacts: ArtifactFiles


@asynccontextmanager
async def kept(rooms: Rooms, job: Job) -> AsyncIterator[Kept]:
    """Give the output and the artifacts of a job, unpacked for as long as they are read where they were archived.

    Raises:
        NotFoundError: its archive is not there any more.
        StateError: it is not what was written.
    """
    if job.archived is None:
        yield Kept(output=rooms.output, artifacts=rooms.artifacts)
        return
    unpacked = rooms.archive.unpacked(_stored(job.archived))
    folder = await asyncio.to_thread(unpacked.__enter__)
    try:
        yield Kept(output=OutputFiles(folder), artifacts=ArtifactFiles(folder))
    finally:
        await asyncio.to_thread(unpacked.__exit__, None, None, None)


async def archive(rooms: Rooms, jobs: Sequence[JobId], *, out: Path | None) -> tuple[Job, ...]:
    """Archive jobs, each whole or not at all; one that is archived already is left as it is.

    Raises:
        RefusedError: one of them has not ended; none is archived then.
        StateError: the disk does not take it.
    """
    found = [await _job(rooms, id_) for id_ in jobs]
    for job in found:
        if not job.state.ended or job.state is State.LOST:
            raise RefusedError(
                f"cannot archive job {job.id}: it is {job.state}",
                hint=f"ctl jobs attach {job.id}",
            )
    await finish(rooms)
    return tuple([await _archive(rooms, job.id, out) for job in found])


async def archive_older(
    rooms: Rooms, before: datetime, *, out: Path | None, most: int = AT_ONCE
) -> tuple[Job, ...]:
    """Archive jobs that ended before a moment, oldest first, at most `most`; fewer: there are no more.

    Raises:
        NotFoundError: an archive of before is gone, whose job has files still; these here are archived all the same.
        StateError: the disk does not take it.
    """
    found = await rooms.store.jobs.to_archive(before, limit=most)
    archived = tuple([await _archive(rooms, job.id, out) for job in found])
    await finish(rooms)
    return archived


async def finish(rooms: Rooms) -> None:
    """Delete what is in an archive and was not yet deleted, because a process was killed in between."""
    for job in await rooms.store.jobs.to_clear(limit=AT_ONCE):
        await _clear(rooms, job)


async def _archive(rooms: Rooms, id_: JobId, out: Path | None) -> Job:
    """Archive one job that has ended."""
    turn = rooms.archive.turn()
    await asyncio.to_thread(turn.__enter__)
    try:
        job = await _job(rooms, id_)
        if job.archived is None:
            await rooms.activity.append("job-archiving", rooms.actor, run=job.run, job=job.id)
            made = await _write(rooms, job, out)
            await rooms.store.jobs.archive(job.id, made)
            await rooms.activity.append(
                "job-archived",
                rooms.actor,
                run=job.run,
                job=job.id,
                path=made.path,
                sha256=made.sha256,
            )
            job = await _job(rooms, id_)
        await _clear(rooms, job)
    finally:
        turn.__exit__(None, None, None)
    return await _job(rooms, id_)


async def _write(rooms: Rooms, job: Job, out: Path | None) -> Archived:
    """Put everything about a job into one file."""
    events = await rooms.store.jobs.events(job.id)
    papers = {
        "job.json": encode(job).encode() + b"\n",
        "ledger.jsonl": b"".join(encode(event).encode() + b"\n" for event in events),
    }
    year = (job.finished_at or job.created_at).year
    made = await asyncio.to_thread(rooms.archive.write, job.id, papers, year=year, out=out)
    now = rooms.clock.now()
    return Archived(at=now, path=made.path, size=made.size, sha256=made.sha256)


async def _clear(rooms: Rooms, job: Job) -> None:
    """Delete what is in the archive of a job; an archive that is not there keeps it from being deleted."""
    archived = job.archived
    if archived is None or archived.cleared:
        return
    await asyncio.to_thread(rooms.archive.clear, job.id, _stored(archived))
    await rooms.store.jobs.archive(job.id, replace(archived, cleared=True))


async def _job(rooms: Rooms, id_: JobId) -> Job:
    found = await rooms.store.jobs.get(id_)
    if found is None:
        raise NotFoundError(f"there is no job {id_}", hint="ctl jobs list")
    return found


def _stored(archived: Archived) -> StoredArchive:
    return StoredArchive(path=archived.path, size=archived.size, sha256=archived.sha256)
