"""Files of the folders in which jobs of agents work: listed, read from any place on, written, deleted. Opens the server of the job."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Header, Path as InPath, Query, Request
from starlette.responses import Response, StreamingResponse

from controller.api.call import Asked
from controller.api.problems import refuse
from controller.api.resources.jobs import Id, WholeId
from controller.reconcile.desk import workspaces

PIECE: Final = 1 << 18
RANGE: Final = re.compile(r"bytes=(\d{1,15})-")
"""The only kind of range there is; of any other the whole file is given, as HTTP allows."""
FileName = Annotated[str, InPath(min_length=1, max_length=1024)]


async def listing(call: Asked, id: Id) -> Response:  # noqa: A002
    """List the files of the folder in which a job works."""
    found = await call.job(id)
    sizes = await workspaces.names(call.rooms, found.id)
    return call.answer([{"name": name, "size": size} for name, size in sorted(sizes.items())])


async def read(
    call: Asked,
    id: Id,  # noqa: A002
    name: FileName,
    range: Annotated[  # noqa: A002
        str | None, Header(max_length=100, description="`bytes=N-`: from there on")
    ] = None,
) -> Response:
    """Give a file of the folder in which a job works: bytes as they are there, not masked."""
    found = await call.job(id)
    size = (await workspaces.names(call.rooms, found.id)).get(name)
    if size is None:
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", "the workspace has no such file")
    wanted = RANGE.fullmatch(range or "")
    offset = min(size, int(wanted[1])) if wanted else 0
    headers = {"content-disposition": "attachment", "accept-ranges": "bytes"}
    if 0 < offset < size:
        headers["content-range"] = f"bytes {offset}-{size - 1}/{size}"
    else:
        offset = 0
    return StreamingResponse(
        exactly(workspaces.read(call.rooms, found.id, name, offset), size - offset),
        status_code=HTTPStatus.PARTIAL_CONTENT if offset else HTTPStatus.OK,
        media_type="application/octet-stream",
        headers={**headers, "content-length": str(size - offset)},
    )


async def exactly(pieces: AsyncGenerator[bytes, None], size: int) -> AsyncIterator[bytes]:
    """Give so many bytes: a file that grows meanwhile is cut, one that shrinks breaks the answer off."""
    left = size
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece[:left]
            left -= min(left, len(piece))
            if not left:
                return


async def write(
    call: Asked,
    request: Request,
    id: WholeId,  # noqa: A002
    name: FileName,
    *,
    executable: Annotated[bool, Query(description="it is a program there")] = False,
) -> Response:
    """Write the body as a file of the folder in which a job works, whole or not at all, in place of one that is there."""
    found = await call.job(id)
    data = await request.body()
    size, sha256 = await workspaces.write(
        call.rooms, found.id, name, pieces_of(data), len(data), executable=executable
    )
    return call.answer({"name": name, "size": size, "sha256": sha256})


async def pieces_of(data: bytes) -> AsyncIterator[bytes]:
    """Give bytes in pieces."""
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


async def remove(call: Asked, id: WholeId, name: FileName) -> Response:  # noqa: A002
    """Delete a file of the folder in which a job works."""
    found = await call.job(id)
    await workspaces.remove(call.rooms, found.id, [name])
    return call.answer({"removed": name})
