"""What jobs of a serving controller said: read as streams, so that nothing has to fit into memory.

Called by `jobs` and `attachment`; calls the client.
"""

import base64
import json
from collections.abc import AsyncIterator, Mapping

from controller.cli.remote.client import Client, UnreachedError
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
    async with client.stream(
        path, accept="text/event-stream", step=step, follow=follow or None
    ) as response:
        kind, why = "", "it hung up"
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: ") and kind == "chunk":
                yield _chunk(json.loads(line.removeprefix("data: ")))
            elif line.startswith("data: ") and kind == "bye":
                why = str(json.loads(line.removeprefix("data: "))["reason"])
        if kind != "end":
            raise UnreachedError(
                f"the controller told no more of job {job}: {why}",
                hint=f"the job goes on: ctl jobs logs --follow {job}",
            )


def _chunk(told: Mapping[str, object]) -> LogChunk:
    return LogChunk(
        step=str(told["step"]),
        attempt=int(str(told["attempt"])),
        offset=int(str(told["offset"])),
        data=base64.b64decode(str(told["data"])),
        gap=int(str(told["gap"])),
    )
