"""A session as one caller holds it: the shared one of a server, until the caller gives it back.

Carriers keep one session with each server and hand it to everybody who asks. Whoever closes what was given to him must
not take it from the others: the carrier is told, and decides.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from controller.model.ids import AttemptId, Digest, JobId
from controller.model.observation import Holder, HostSeen
from controller.transport.port import (
    AttemptSpec,
    AttemptStatus,
    Chunk,
    Facts,
    Pool,
    Probed,
    ProbeSpec,
    ScriptReport,
    ScriptSource,
    ServerScript,
    Session,
    TargetClaim,
)


class LentSession:
    """Does everything by the shared session but closing it."""

    def __init__(self, shared: Session, give_back: Callable[[], Awaitable[None]]) -> None:
        self._shared = shared
        self._give_back = give_back
        self._given = False

    @property
    def facts(self) -> Facts:
        """What was learnt at opening."""
        return self._shared.facts

    @property
    def host(self) -> HostSeen | None:
        """How the machine did when its agent last told."""
        return self._shared.host

    async def close(self) -> None:
        """Give the session back, once; work goes on, and so do the others who hold it."""
        if not self._given:
            self._given = True
            await self._give_back()

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        """Claim the id and start the work, or say what is known of the id."""
        return await self._shared.start(spec)

    async def status(self, attempt: AttemptId) -> AttemptStatus:
        """Say what is known of an attempt now."""
        return await self._shared.status(attempt)

    async def wait(self, attempt: AttemptId) -> AttemptStatus:
        """Wait until an attempt has ended (or was never claimed)."""
        return await self._shared.wait(attempt)

    def output(
        self, attempt: AttemptId, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        """Give output from `offset` on; with `follow` until the attempt has ended and all is given."""
        return self._shared.output(attempt, offset=offset, follow=follow)

    async def stop(self, attempt: AttemptId, *, grace: float = 10.0) -> AttemptStatus:
        """TERM every process of the attempt, KILL after `grace` seconds."""
        return await self._shared.stop(attempt, grace=grace)

    async def pause(self, attempt: AttemptId, *, seconds: float = 0.0) -> AttemptStatus:
        """Hold every process of a running attempt."""
        return await self._shared.pause(attempt, seconds=seconds)

    async def resume(self, attempt: AttemptId) -> AttemptStatus:
        """Let a held attempt go on."""
        return await self._shared.resume(attempt)

    async def feed(self, attempt: AttemptId, data: bytes, *, close: bool = False) -> None:
        """Give an interactive attempt more standard input."""
        await self._shared.feed(attempt, data, close=close)

    async def discard(self, attempts: tuple[AttemptId, ...], *, job: JobId | None = None) -> None:
        """Delete the spools of ended attempts (and the job's folder); their claims remain."""
        await self._shared.discard(attempts, job=job)

    async def markers(self, project: str) -> Mapping[str, bytes]:
        """Read every marker of the project, by target."""
        return await self._shared.markers(project)

    async def locks(self, project: str) -> Mapping[str, Holder]:
        """Say who holds which target now."""
        return await self._shared.locks(project)

    async def claim_target(
        self, project: str, target: str, *, holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        """Take the lock, compare the marker with `expect`, write `marker`: all or nothing."""
        return await self._shared.claim_target(
            project, target, holder=holder, expect=expect, marker=marker
        )

    async def release_target(
        self, project: str, target: str, *, run: str, marker: bytes | None
    ) -> None:
        """Write `marker` (None: delete it) when this run holds the lock, and give the lock back."""
        await self._shared.release_target(project, target, run=run, marker=marker)

    async def forget_target(self, project: str, target: str, *, expect: Digest) -> bool:
        """Delete a marker that is unlocked and still as expected; say whether it is gone."""
        return await self._shared.forget_target(project, target, expect=expect)

    async def probe(self, spec: ProbeSpec) -> Probed:
        """Run a short read-only command."""
        return await self._shared.probe(spec)

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the files below the job's CTL_ARTIFACTS folder, path to size."""
        return await self._shared.artifacts(job)

    async def size(self, path: str) -> int | None:
        """Say the size of a regular file, None when there is none."""
        return await self._shared.size(path)

    def fetch(self, path: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Read a regular file (or artifact) from `offset` to its present end."""
        return self._shared.fetch(path, offset=offset)

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """List the files of a job's workspace, path to size."""
        return await self._shared.workspace(job)

    async def put(
        self, job: JobId, path: str, data: AsyncIterator[bytes], *, executable: bool = False
    ) -> None:
        """Write a file of a job's workspace, whole or not at all."""
        await self._shared.put(job, path, data, executable=executable)

    async def remove(self, job: JobId, path: str) -> None:
        """Delete a file of a job's workspace."""
        await self._shared.remove(job, path)

    async def scripts(self) -> tuple[ServerScript, ...]:
        """List the scripts of the server."""
        return await self._shared.scripts()

    async def inspect(self, script: str) -> ScriptSource:
        """Show one script."""
        return await self._shared.inspect(script)

    async def report(self, attempt: AttemptId) -> ScriptReport | None:
        """Give the report of a script's attempt."""
        return await self._shared.report(attempt)

    async def pool(self) -> Pool:
        """Show the worker pool."""
        return await self._shared.pool()

    async def set_pool(self, workers: int) -> Pool:
        """Change how many attempts run at once."""
        return await self._shared.set_pool(workers)
