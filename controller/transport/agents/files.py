"""Looking at a server through its agent: probes, artifacts, files, and the workspaces of jobs.

Part of `session`; it calls `calls`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import Final

from controller.errors import TransportError, Unreachable
from controller.model.ids import JobId
from controller.transport.agents.attempts import PIECE, each
from controller.transport.agents.calls import ANSWER_SECONDS, PIECE_SECONDS, AgentCalls
from controller.transport.port import Probed, ProbeSpec
from controller.wire.messages import files, server, streams

ARTIFACTS: Final = 1000
FILES: Final = 10_000
WORKSPACE: Final = "workspace:"
IN_MEMORY: Final = 4 << 20
"""Bytes of a file that is put; a larger one waits on the disk until its size is known."""
PAUSES: Final = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between looks whether a file that was sent is written."""


class AgentFiles(AgentCalls):
    """The part of a session that reads and writes files."""

    async def probe(self, spec: ProbeSpec) -> Probed:
        """Run a short read-only command."""
        message = files.Probe(
            workdir=spec.workdir,
            user=spec.user,
            shell=spec.shell,
            timeout=spec.timeout,
            limit=spec.limit,
            env=spec.env,
            text=spec.text,
        )
        within = spec.timeout + ANSWER_SECONDS
        said = await self._ask(message, files.Probed, within=within)
        return Probed(
            exit_code=said.exit_code, output=said.output[: spec.limit], timed_out=said.timed_out
        )

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the files below the job's CTL_ARTIFACTS folder, path to size, at most 1,000."""
        return await self._list(
            lambda after: files.ListArtifacts(job=job, after=after), most=ARTIFACTS
        )

    async def size(self, path: str) -> int | None:
        """Say the size of a regular file, None when there is none."""
        return (await self._ask(files.GetSize(path=path), files.Size)).size

    async def fetch(self, path: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Read a regular file (or artifact) from `offset` to its present end."""
        message: object = streams.OpenFile(path=path, offset=offset)
        if path.startswith(WORKSPACE):
            job, _, rest = path.removeprefix(WORKSPACE).partition("/")
            message = streams.OpenWorkspace(job=job, path=rest, offset=offset)
        async with aclosing(self._read(message, within=PIECE_SECONDS)) as stream:
            async for came in stream:
                if came.gap:
                    raise TransportError(
                        f"cannot read {path} on {self._talk.name}: {came.gap} bytes are missing",
                        cause=Unreachable.STATE,
                    )
                yield came.data

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """List the files of a job's workspace, path to size, at most 10,000.

        Raises:
            NotFoundError: there is no such job there.
        """
        return await self._list(lambda after: files.ListWorkspace(job=job, after=after), most=FILES)

    async def put(
        self, job: JobId, path: str, data: AsyncIterator[bytes], *, executable: bool = False
    ) -> None:
        """Write a file of a job's workspace, whole or not at all."""
        with SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
            async for piece in data:
                spool.write(piece)
            size = spool.tell()
            spool.seek(0)
            message = streams.OpenUpload(
                purpose="workspace", job=job, path=path, size=size, executable=executable
            )
            place = f"{WORKSPACE}{job}/{path}"
            pieces = each(iter(lambda: spool.read(PIECE), b""))
            await self._write(message, pieces, lambda: self.size(place))
        await self._stored(place, size)

    async def _stored(self, path: str, size: int) -> None:
        """Wait until the agent has written all that it was sent."""
        for pause in PAUSES:
            if await self.size(path) == size:
                return
            await asyncio.sleep(pause)
        raise TransportError(
            f"cannot tell whether {path} was written on {self._talk.name}: it has not {size} bytes",
            cause=Unreachable.STATE,
            hint="look at it, and put it again",
        )

    async def remove(self, job: JobId, path: str) -> None:
        """Delete a file of a job's workspace."""
        await self._ask(files.RemoveFile(job=job, path=path), server.Done)

    async def _list(self, ask: Callable[[str], object], *, most: int) -> dict[str, int]:
        found: dict[str, int] = {}
        pages = self._pages(ask, files.FilePage, lambda page: max(page.files, default=""))
        async with aclosing(pages):
            async for page in pages:
                found.update(page.files)
                if len(found) >= most:
                    break
        return {path: found[path] for path in list(found)[:most]}
