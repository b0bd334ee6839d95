"""What the jobs of a run over there gave back, as `ctl run` has it here: output by its type, files in a person's folder.

Called by `controller`; calls the client.
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from controller.cli.remote.client import Client, mapping
from controller.cli.remote.files import FileThere, below, fetched
from controller.cli.remote.reading import read
from controller.errors import StateError
from controller.journal.artifacts import harmless_path
from controller.model.ids import JobId, RunId
from controller.model.job import Job
from controller.model.task import ResultType
from controller.reconcile.exchange.progress import Listener
from controller.reconcile.exchange.reports import JobResult


async def results_of(
    client: Client, run: RunId, jobs: Sequence[Job], outdir: Path | None, listener: Listener
) -> tuple[JobResult, ...]:
    """Gather the result of every job that ran, and its file into the folder where one is named."""
    pages = await client.pages(f"/api/v1/runs/{run}/results", limit=500)
    told = {found.job: found for found in map(result_of, pages)}
    found = [told[job.id] for job in jobs if job.id in told]
    if outdir is None:
        return tuple(found)
    many = len(jobs) > 1
    folders = {job.id: outdir / harmless_path(job.server) if many else outdir for job in jobs}
    return tuple([await _kept(client, one, folders[one.job], listener) for one in found])


def result_of(document: object) -> JobResult:
    """Read one result."""
    told = mapping(document)
    artifact, sha256 = told.get("artifact"), told.get("sha256")
    return JobResult(
        job=JobId(str(told["job"])),
        type=ResultType(str(told["type"])),
        output=base64.b64decode(str(told["output"])),
        artifact=None if artifact is None else str(artifact),
        size=read(int | None, told.get("size")),  # type: ignore[arg-type]
        sha256=None if sha256 is None else str(sha256),
    )


async def _kept(client: Client, one: JobResult, folder: Path, listener: Listener) -> JobResult:
    """Put the file of a result into a folder, in the place of an earlier one.

    Raises:
        StateError: it cannot be written, or is not what the controller says it is.
    """
    if one.artifact is None:
        return one
    source = FileThere(client, below(f"/api/v1/jobs/{one.job}/artifacts", one.artifact), one.size)
    moved = await fetched(source, f".{one.job}.result", folder, job=one.job, listener=listener)
    goal = folder / PurePosixPath(one.artifact).name
    try:
        if moved.sha256 != one.sha256:
            await asyncio.to_thread(moved.path.unlink)
            raise StateError(
                f"cannot take the result of job {one.job}: it is not what the controller says",
                hint="fetch it again: ctl jobs artifacts",
            )
        await asyncio.to_thread(moved.path.replace, goal)
    except OSError as error:
        raise StateError(f"cannot write {goal}: {error.strerror or error}") from error
    return replace(one, path=goal)
