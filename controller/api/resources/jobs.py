"""Runs and jobs as they are recorded, what jobs left, and what people do to them."""

import asyncio
import base64
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import Path as InPath, Query
from starlette.responses import FileResponse, Response

from controller.api.bodies import InputBody, Name, PauseBody, ResolveBody, RetryBody, StopBody
from controller.api.call import Asked, Call
from controller.api.paging import Paged, page_of, read_cursor
from controller.api.problems import refuse
from controller.api.resources.work import recorded
from controller.api.whose import must_run_again
from controller.model.ids import JobId, RunId
from controller.model.job import Job, Run, State
from controller.reconcile.desk.archiving import kept
from controller.reconcile.desk.minding import engine_now
from controller.reconcile.documents import job_document, run_document

Id = Annotated[
    str,
    InPath(pattern="^[0-9a-z]{1,12}$", description="an id, or any beginning of it that is unique"),
]
WholeId = Annotated[str, InPath(pattern="^[0-9a-z]{12}$")]
Wanted = Annotated[Name | None, Query()]
BATCHES = 20
"""Times that the store is asked for one page, when most of what it gives lies outside the scope."""
BATCH = 500
"""Jobs that it is then asked for at least."""
DEEP = 10_000
"""Runs that are looked through for a page."""


async def runs(call: Asked, page: Paged) -> Response:
    """List runs, newest first."""
    last = read_cursor("runs", page.cursor)
    enough = page.limit + 1 if last is None and call.grant.whole else DEEP
    known = await call.serving.store.runs.list(limit=enough)
    if last is not None:
        later = [at for at, run in enumerate(known) if run.id == last]
        known = known[later[0] + 1 :] if later else ()
    shown = [run for run in known if sees_run(call, run)][: page.limit + 1]

    def write(run: Run) -> object:
        return run_seen(call, run)

    return call.answer(page_of("runs", shown, lambda run: run.id, page.limit, write))


def run_seen(call: Call, run: Run) -> dict[str, object]:
    """Give a run, with those of its targets that are within the scope."""
    halted = {name: why for name, why in run.halted.items() if call.sees_target(name)}
    orders = {name: order for name, order in run.orders.items() if call.sees_target(name)}
    return run_document(replace(run, orders=orders, halted=halted))


def sees_run(call: Call, run: Run) -> bool:
    """Say whether anything of a run is within the scope."""
    return call.grant.whole or any(call.sees_target(name) for name in run.orders)


async def run(call: Asked, id: WholeId) -> Response:  # noqa: A002
    """Give a run with its jobs."""
    found = await call.serving.store.runs.get(RunId(id))
    if found is None:
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", "there is no such run")
    jobs = await call.serving.store.jobs.list(run=found.id, limit=10_000)
    shown = [job for job in jobs if call.sees(job)]
    if not call.grant.whole and not shown:
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", "there is no such run")
    return call.answer({**run_seen(call, found), "jobs": [job_document(job) for job in shown]})


async def jobs(
    call: Asked,
    page: Paged,
    *,
    run: Annotated[str | None, Query(pattern="^[0-9a-z]{12}$")] = None,
    target: Wanted = None,
    server: Wanted = None,
    state: Annotated[State | None, Query()] = None,
    archived: Annotated[bool, Query()] = False,
) -> Response:
    """List jobs, newest first."""
    before = read_cursor("jobs", page.cursor)
    enough = page.limit + 1 if call.grant.whole else max(page.limit + 1, BATCH)
    shown: list[Job] = []
    for _ in range(BATCHES):
        batch = await call.serving.store.jobs.list(
            run=None if run is None else RunId(run),
            target=target,
            server=server,
            archived=archived,
            states=None if state is None else {state},
            before=None if before is None else JobId(before),
            limit=enough,
        )
        shown += [job for job in batch if call.sees(job)]
        if len(shown) > page.limit or len(batch) < enough:
            break
        before = batch[-1].id
    shown = shown[: page.limit + 1]
    return call.answer(page_of("jobs", shown, lambda job: job.id, page.limit, job_document))


async def job(call: Asked, id: Id) -> Response:  # noqa: A002
    """Give a job with its steps and attempts."""
    return call.answer(job_document(await call.job(id)))


async def stop(call: Asked, id: WholeId, body: StopBody) -> Response:  # noqa: A002
    """Stop a job, or one step of it; nothing of it is left when this is answered, or the wish is recorded."""
    found = await call.job(id)
    return call.answer(
        job_document(await call.controller.jobs.stop(found.id, step=body.step, grace=body.grace))
    )


async def pause(call: Asked, id: WholeId, body: PauseBody) -> Response:  # noqa: A002
    """Hold a job, or one step of it, for some seconds or until it is resumed."""
    found = await call.job(id)
    return call.answer(
        job_document(
            await call.controller.jobs.pause(found.id, step=body.step, seconds=body.seconds)
        )
    )


async def resume(call: Asked, id: WholeId) -> Response:  # noqa: A002
    """Let a held job go on."""
    found = await call.job(id)
    return call.answer(job_document(await call.controller.jobs.resume(found.id)))


async def retry(call: Asked, id: WholeId, body: RetryBody) -> Response:  # noqa: A002
    """Run the work of an ended job again, as it was recorded. 202 with the new run."""
    found = await call.job(id)
    await must_run_again(call, found)
    return recorded(call, await call.recording.jobs.retry(found.id, failed_only=body.failed_only))


async def resolve(call: Asked, id: WholeId, body: ResolveBody) -> Response:  # noqa: A002
    """Decide how a lost job ended."""
    found = await call.job(id)
    done = await call.controller.jobs.resolve(found.id, state=State(body.state), reason=body.reason)
    return call.answer(job_document(done))


async def archive(call: Asked, id: WholeId) -> Response:  # noqa: A002
    """Put an ended job away, with its output and artifacts in one file."""
    found = await call.job(id)
    (done,) = await call.controller.jobs.archive([found.id])
    return call.answer(job_document(done))


async def feed(call: Asked, id: WholeId, body: InputBody) -> Response:  # noqa: A002
    """Give standard input to what takes it now; each byte at most once."""
    found = await call.job(id)
    data = base64.b64decode(body.data)
    typing = (await engine_now(call.rooms)).input(found.id, step=body.step)
    try:
        await typing.feed(data, close=body.close)
    finally:
        await typing.close()  # of the way to the server; the input itself ends by `close` alone
    return call.answer({"taken": len(data), "closed": body.close})


async def artifacts(call: Asked, id: Id) -> Response:  # noqa: A002
    """List the artifacts of a job with their sizes."""
    found = await call.job(id)
    listed = await call.controller.jobs.artifacts(found.id)
    return call.answer([{"name": name, "size": size} for name, size in sorted(listed.items())])


async def artifact(
    call: Asked,
    id: Id,  # noqa: A002
    name: Annotated[str, InPath(max_length=1024)],
) -> Response:
    """Give one artifact: bytes as the job left them, to be kept and not shown."""
    found = await call.job(id)
    if found.archived is not None:
        async with kept(call.rooms, found) as files:
            place = files.artifacts.locate(found.id, name)
            return octets(await asyncio.to_thread(place.read_bytes))
    return FileResponse(
        call.rooms.artifacts.locate(found.id, name),
        media_type="application/octet-stream",
        headers={"content-disposition": "attachment"},
    )


def octets(data: bytes) -> Response:
    """Answer with bytes that no browser shows."""
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"content-disposition": "attachment"},
    )
