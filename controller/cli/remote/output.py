"""What jobs of a serving controller said: read as streams, so that nothing has to fit into memory.

Called by `jobs` and `attachment`; calls the client.
"""

import base64
import json
from collections.abc import AsyncIterator

import httpx

from controller.cli.remote.client import EVENTS, Client, mapping
from controller.cli.remote.refusals import UnreachedError, words_of
from controller.model.ids import JobId
from controller.reconcile.exchange.reports import LogChunk


async def chunks(
    client: Client, job: JobId, step: str | None, *, follow: bool
) -> AsyncIterator[LogChunk]:
    """Give the output of a job, or of one of its steps; with `follow` until it has ended.

    Raises:
        UnreachedError: the controller stopped telling before that.
    """
    path = f"/api/v1/jobs/{job}/output"
    async with client.stream(path, accept=EVENTS, step=step, follow=follow or None) as response:
        kind, why = "", "it hung up"
        async for line in _lines(response, job):
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: ") and kind == "chunk":
                yield _chunk(line.removeprefix("data: "))
            elif line.startswith("data: ") and kind == "bye":
                why = str(_told(line.removeprefix("data: "))["reason"])
        if kind != "end":
            raise _cut(job, why)


async def _lines(response: httpx.Response, job: JobId) -> AsyncIterator[str]:
    try:
        async for line in response.aiter_lines():
            yield line
    except httpx.HTTPError as error:
        raise _cut(job, words_of(error)) from error


def _cut(job: JobId, why: str) -> UnreachedError:
    return UnreachedError(
        f"the controller told no more of job {job}: {why}",
        hint=f"the job goes on: ctl jobs logs --follow {job}",
    )


def _told(text: str) -> dict[str, object]:
    try:
        return mapping(json.loads(text))
    except ValueError as error:
        raise UnreachedError("cannot read what the controller tells: it is no JSON") from error


def _chunk(text: str) -> LogChunk:
    """Read a piece of output.

    Raises:
        UnreachedError: it is none.
    """
    told = _told(text)
    try:
        return LogChunk(
            step=str(told["step"]),
            attempt=int(str(told["attempt"])),
            offset=int(str(told["offset"])),
            data=base64.b64decode(str(told["data"])),
            gap=int(str(told["gap"])),
        )
    except ValueError as error:
        raise UnreachedError(f"cannot read what the controller tells: {error}") from error
