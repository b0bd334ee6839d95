"""What jobs gave back, for the person who ran them: masked output, or a file in their folder."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from controller.errors import NotFoundError, StateError
from controller.jobs.ledger import in_order
from controller.journal.artifacts import harmless_path
from controller.model.ids import AttemptId
from controller.model.job import Event, Job, State
from controller.model.task import Result, ResultType
from controller.model.work import STEP_NAMES
from controller.reconcile.exchange.reports import JobResult
from controller.reconcile.rooms import Rooms

OWN_STEPS = frozenset(STEP_NAMES.values())
"""Steps that the controller put in: what they say is no result of the task."""
RAN = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT})
"""How jobs end that give something back."""
SHOWN = 1 << 20
"""Bytes of output that are shown as a result; the rest stays in ctl jobs logs."""


async def fetch_results(
    rooms: Rooms, jobs: Sequence[Job], outdir: Path | None
) -> tuple[JobResult, ...]:
    """Gather the result of every job that ran."""
    results = []
    for job in jobs:
        if job.state in RAN:
            result = (await rooms.store.jobs.body(job.id)).work.result
            results.append(await result_of(rooms, job, result, outdir, many=len(jobs) > 1))
    return tuple(results)


async def result_of(
    rooms: Rooms, job: Job, result: Result, outdir: Path | None, *, many: bool
) -> JobResult:
    """Gather the result of one job: its file, or the output of its last step that ran."""
    stored = await stored_file(rooms, job, result)
    if stored is None:
        return JobResult(job=job.id, type=result.type, output=await last_output(rooms, job))
    path = rooms.artifacts.locate(job.id, stored)
    if outdir is not None:
        name = PurePosixPath(result.path or stored).name
        path = put(path, outdir / job.server / name if many else outdir / name)
    return JobResult(
        job=job.id,
        type=result.type,
        path=path,
        artifact=stored,
        size=path.stat().st_size,
        sha256=await asyncio.to_thread(sha256_of, path),
    )


async def stored_file(rooms: Rooms, job: Job, result: Result) -> str | None:
    """Say which artifact is the file that a job gave back; None: its output is all there is."""
    if result.type is not ResultType.FILE or result.path is None:
        return None
    try:
        promised = f"result/{PurePosixPath(result.path).name}"
        found = harmless_path(await reported(rooms, job) if result.artifact else promised)
        rooms.artifacts.locate(job.id, found)
    except NotFoundError:
        return None
    return found


async def reported(rooms: Rooms, job: Job) -> str:
    """Say which artifact is the file that a server's script promised, as its report tells.

    Raises:
        NotFoundError: there is none.
    """
    for step in job.steps:
        path = rooms.artifacts.locate(job.id, harmless_path(f"report/{step.name}.json"))
        artifact = json.loads(await asyncio.to_thread(path.read_bytes)).get("artifact")
        if artifact:
            return f"artifacts/{artifact}"
    raise NotFoundError(f"job {job.id} left no file")


def sha256_of(path: Path) -> str:
    """Hash a file, as `sha256sum` on its server would."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(source: Path, goal: Path, *, fresh: bool = False) -> Path:
    """Copy a file so that it appears whole or not at all; with `fresh` only where nothing is.

    Raises:
        StateError: it cannot be written, or is there already.
    """
    part = goal.with_name(f".{goal.name}.part")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        if fresh and goal.exists():
            raise StateError(f"cannot write {goal}: it is there already")
        shutil.copyfile(source, part)
        part.replace(goal)
    except OSError as error:
        raise StateError(f"cannot write {goal}: {error.strerror}") from error
    return goal


async def last_output(rooms: Rooms, job: Job) -> bytes:
    """Read the stored output of the last attempt of the task's own steps."""
    last = last_attempt(job, await rooms.store.jobs.events(job.id))
    if last is None:
        return b""
    output = b""
    async for piece in rooms.output.pieces(last):
        output += piece.data
        if len(output) >= SHOWN:
            break
    return output[:SHOWN]


def last_attempt(job: Job, events: Iterable[Event]) -> AttemptId | None:
    """Find the last attempt of a declared step, as the ledger has them; clocks jump."""
    made = [attempt.id for step, attempt in in_order(job, events) if step not in OWN_STEPS]
    return made[-1] if made else None
