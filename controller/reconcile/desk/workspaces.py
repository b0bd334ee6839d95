"""The folders in which the jobs of agents work, for people: listed, read, written, cleared.

Called by the desk; opens sessions.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from controller.errors import NotFoundError
from controller.journal.artifacts import harmless_path
from controller.model.ids import JobId
from controller.reconcile.desk.fetching import LocalSource, fetch
from controller.reconcile.desk.minding import reach_now
from controller.reconcile.exchange.answers import Moved
from controller.reconcile.exchange.progress import Progress, Stage
from controller.reconcile.rooms import Rooms
from controller.transport.port import Session


class RemoteFile:
    """A file of a workspace, over one session."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    async def size(self) -> int | None:
        """Say its size, None when it is not there."""
        return await self._session.size(self._path)

    def read(self, offset: int) -> AsyncIterator[bytes]:
        """Read it from an offset to its end."""
        return self._session.fetch(self._path, offset=offset)


async def names(rooms: Rooms, job: JobId) -> Mapping[str, int]:
    """List the files of a job's workspace, path to size."""
    async with _session(rooms, job) as session:
        return await session.workspace(job)


async def get(rooms: Rooms, job: JobId, wanted: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
    """Fetch files of a workspace, all of them when none is named, into a folder."""
    async with _session(rooms, job) as session:
        there = await session.workspace(job)
        for name in wanted:
            if name not in there:
                raise NotFoundError(
                    f"cannot find {name!r} in the workspace of job {job}",
                    hint=f"ctl jobs workspace ls {job}",
                )
        return tuple(
            [
                await fetch(
                    RemoteFile(session, f"workspace:{job}/{name}"),
                    harmless_path(name),
                    outdir,
                    tell=teller(rooms, job, name),
                    clock=rooms.clock,
                )
                for name in wanted or tuple(there)
            ]
        )


async def put(
    rooms: Rooms, job: JobId, source: Path, name: str, *, executable: bool = False
) -> Moved:
    """Write a file of this machine into a workspace, whole or not at all.

    Raises:
        NotFoundError: there is no such file here, or no such job there.
    """
    total = await LocalSource(source).size()
    if total is None:
        raise NotFoundError(f"cannot find {source}")
    content = LocalSource(source).read(0)
    size, sha256 = await write(rooms, job, name, content, total, executable=executable)
    return Moved(name=name, path=source, size=size, sha256=sha256)


async def write(
    rooms: Rooms,
    job: JobId,
    name: str,
    content: AsyncIterator[bytes],
    total: int,
    *,
    executable: bool = False,
) -> tuple[int, str]:
    """Write bytes, `total` of them as far as anybody knows, into a workspace; give their number and SHA-256."""
    digest, tell = hashlib.sha256(), teller(rooms, job, name)
    sent = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent
        async for piece in content:
            digest.update(piece)
            yield piece
            sent += len(piece)
            tell(min(sent, total), total)

    async with _session(rooms, job) as session:
        await session.put(job, name, counted(), executable=executable)
    tell(sent, sent)
    await _note(rooms, job, "workspace-put", name, sha256=digest.hexdigest())
    return sent, digest.hexdigest()


async def read(rooms: Rooms, job: JobId, name: str, offset: int) -> AsyncGenerator[bytes, None]:
    """Give the bytes of a file of a workspace from an offset on."""
    async with _session(rooms, job) as session:
        async for piece in RemoteFile(session, f"workspace:{job}/{name}").read(offset):
            yield piece


async def remove(rooms: Rooms, job: JobId, wanted: Sequence[str]) -> None:
    """Delete files of a workspace."""
    async with _session(rooms, job) as session:
        for name in wanted:
            await session.remove(job, name)
            await _note(rooms, job, "workspace-rm", name)


def teller(rooms: Rooms, job: JobId, name: str) -> Callable[[int, int], None]:
    """Give what tells whoever watches how much of a file is here."""
    return partial(_tell, rooms, job, name)


def _tell(rooms: Rooms, job: JobId, name: str, done: int, total: int) -> None:
    rooms.listener(Progress(stage=Stage.FILE, subject=job, message=name, done=done, total=total))


async def _note(rooms: Rooms, job: JobId, event: str, name: str, **more: object) -> None:
    """Write a line of the activity log."""
    await rooms.activity.append(event, rooms.actor, job=job, path=name, **more)


@asynccontextmanager
async def _session(rooms: Rooms, job: JobId) -> AsyncIterator[Session]:
    """Open the server of a job."""
    body = await rooms.store.jobs.body(job)
    session = await (await reach_now(rooms)).dialer.open(body.server)
    try:
        yield session
    finally:
        await session.close()
