"""What jobs of a serving controller said and left: read as streams, so that nothing has to fit into memory.

Called by `jobs` and `attachment`; calls the client.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from controller.cli.remote.client import Client, word
from controller.errors import StateError
from controller.model.ids import JobId
from controller.reconcile.exchange.answers import Moved
from controller.reconcile.exchange.requests import LogChunk


async def chunks(
    client: Client, job: JobId, step: str | None, *, follow: bool
) -> AsyncIterator[LogChunk]:
    """Give the output of a job, or of one of its steps; with `follow` until it has ended."""
    path = f"/api/v1/jobs/{job}/output"
    async with client.stream(
        path, accept="text/event-stream", step=step, follow=follow or None
    ) as response:
        kind = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: ") and kind == "chunk":
                yield _chunk(json.loads(line.removeprefix("data: ")))


async def fetch(client: Client, job: JobId, name: str, outdir: Path) -> Moved:
    """Copy one artifact into a folder, whole or not at all; what is there under its name is not overwritten.

    Raises:
        StateError: the file cannot be written, or is there already.
    """
    goal = outdir / Path(name).name
    part = goal.with_name(f".{goal.name}.part")
    await asyncio.to_thread(_make_room, goal)
    path = f"/api/v1/jobs/{job}/artifacts/{'/'.join(map(word, name.split('/')))}"
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:  # short writes into the page cache
            async with client.stream(path, accept="application/octet-stream") as response:
                async for data in response.aiter_bytes():
                    file.write(data)
                    digest.update(data)
                    size += len(data)
        part.replace(goal)
    except OSError as error:
        raise StateError(f"cannot write {goal}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return Moved(name=name, path=goal, size=size, sha256=digest.hexdigest())


def _make_room(goal: Path) -> None:
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot make {goal.parent}: {error.strerror or error}") from error
    if goal.exists():
        raise StateError(f"cannot write {goal}: it is there already")


def _chunk(told: Mapping[str, object]) -> LogChunk:
    return LogChunk(
        step=str(told["step"]),
        attempt=int(str(told["attempt"])),
        offset=int(str(told["offset"])),
        data=base64.b64decode(str(told["data"])),
        gap=int(str(told["gap"])),
    )
