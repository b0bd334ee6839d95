"""What the jobs of a run gave back, by the type of its result; files are named, and fetched as artifacts.

Called for `ctl run --controller`.
"""

import base64
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from controller.api.call import Asked, Call
from controller.api.paging import Paged, names_after, page_of, read_cursor
from controller.api.problems import refuse
from controller.api.resources.jobs import WholeId
from controller.model.ids import JobId, RunId
from controller.model.job import Job
from controller.reconcile.carrying.results import RAN, fetch_results
from controller.reconcile.desk.archiving import kept
from controller.reconcile.exchange.reports import JobResult

FULL: Final = 4 << 20
"""Bytes of output with which a page is full, whatever its limit."""


async def results(call: Asked, id: WholeId, page: Paged) -> Response:  # noqa: A002
    """List what the jobs of a run gave back: masked output, in base64, or the artifact that is its file, with size and SHA-256."""
    last = read_cursor("results", page.cursor)
    jobs = {
        job.id: job
        for job in await call.serving.store.jobs.list(run=RunId(id), limit=10_000)
        if call.sees(job)
    }
    if not jobs:
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", "there is no such run")
    ran = [name for name, job in jobs.items() if job.state in RAN]
    wanted = names_after(ran, last, page.limit)
    given: dict[str, object] = {}
    weight = 0
    for name in wanted[: page.limit]:
        made = await result_of(call, jobs[JobId(name)])
        given[name] = result_document(made)
        weight += len(made.output)
        if weight >= FULL:
            break
    return call.answer(page_of("results", wanted, str, len(given), given.__getitem__))


async def result_of(call: Call, job: Job) -> JobResult:
    """Give the result of a job that ran, from its archive where it was put away."""
    async with kept(call.rooms, job) as files:
        rooms = replace(call.rooms, output=files.output, artifacts=files.artifacts)
        (made,) = await fetch_results(rooms, [job], None)
    return made


def result_document(result: JobResult) -> dict[str, object]:
    """Give a result; where its file lies on this machine stays here."""
    return {
        "job": result.job,
        "type": result.type.value,
        "output": base64.b64encode(result.output).decode(),
        "artifact": result.artifact,
        "size": result.size,
        "sha256": result.sha256,
    }
