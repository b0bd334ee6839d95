"""The jobs of the state, for people: find, read, retry, stop, decide."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from controller.errors import NotFoundError, RefusedError
from controller.jobs.ledger import in_order
from controller.jobs.machine import Signal
from controller.jobs.retry import again
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job, JobBody, State
from controller.reconcile.applying import report_of
from controller.reconcile.loading import load, see_config
from controller.reconcile.observe import read_server, see_server
from controller.reconcile.repos import reach_of
from controller.reconcile.requests import LogChunk, RunReport
from controller.reconcile.results import put
from controller.reconcile.retrying import guard
from controller.reconcile.rooms import Rooms
from controller.reconcile.seen import Seen
from controller.reconcile.steps import walk
from controller.reconcile.submission import run_of

LAST = "@last"
FOLLOW_SECONDS = 0.2


class JobsDesk:
    """What `ctl jobs` asks for."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def find(self, prefix: str) -> Job:
        """Find one job by a unique prefix of its id, or "@last"."""
        jobs = self._rooms.store.jobs
        found = await (jobs.list(limit=1) if prefix == LAST else jobs.find(prefix))
        if not found:
            raise NotFoundError(f"there is no job {prefix!r}", hint="ctl jobs list")
        if len(found) > 1:
            some = ", ".join(job.id for job in found[:3])
            raise NotFoundError(f"{prefix!r} could be more than one job: {some}", hint="type more")
        return found[0]

    async def body(self, job: JobId) -> JobBody:
        """Read what a job was recorded with."""
        return await self._rooms.store.jobs.body(job)

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first."""
        return await self._rooms.store.jobs.list(run=run, target=target, server=server, limit=limit)

    async def logs(self, job: JobId, *, follow: bool = False) -> AsyncIterator[LogChunk]:
        """Give stored output, attempt by attempt as they were made; with `follow` until the job has ended."""
        at: dict[str, int] = {}
        while True:
            now = await self._job(job)
            for step, attempt in in_order(now, await self._rooms.store.jobs.events(job)):
                async for piece in self._rooms.output.pieces(attempt.id, at.get(attempt.id, 0)):
                    at[attempt.id] = piece.offset + len(piece.data)
                    yield LogChunk(
                        step=step,
                        attempt=attempt.number,
                        offset=piece.offset,
                        data=piece.data,
                        gap=piece.gap,
                    )
            if now.state.ended or not follow:
                return
            await self._rooms.clock.sleep(FOLLOW_SECONDS)

    async def retry(self, job: JobId, *, failed_only: bool = False) -> RunReport:
        """Run a job's work again, as it was recorded.

        Raises:
            RefusedError: it has not ended, nobody knows how it ended, or what it read is gone.
        """
        old, body = await self._job(job), await self.body(job)
        if not old.state.ended or old.state is State.LOST:
            raise RefusedError(
                f"cannot retry job {job}: it is {old.state}",
                hint=f"ctl jobs logs -f {job}, or ctl jobs resolve {job}",
            )
        if body.fed:
            raise RefusedError(
                f"cannot retry job {job}: its standard input was not kept", hint="ctl run again"
            )
        rooms = self._rooms
        seen = await walk(rooms, Seen(), (see_config, load))
        engine = rooms.engine(reach_of(seen))
        await engine.settle()
        await guard(rooms, seen, old)
        run = run_of(
            rooms.ids,
            rooms.actor,
            rooms.clock.now(),
            title=f"retry of {job}",
            plan=None,
            commit=old.config_commit,
        )
        made = again(
            old,
            body,
            id_=JobId(rooms.ids()),
            run=run.id,
            now=run.created_at,
            expect=await self._marker_now(seen, old, body),
            failed_only=failed_only,
        )
        await engine.submit(run, [made])
        return await report_of(rooms, await engine.drive(run.id))

    async def _marker_now(self, seen: Seen, job: Job, body: JobBody) -> Digest | None:
        """Say which marker is on the server now, and keep it as the base of the next one."""
        if job.target is None:
            return None
        rooms, server = self._rooms, body.server
        found = await see_server(
            rooms, seen, server, lambda session: read_server(rooms, seen, (), session, server.name)
        )
        async with rooms.saving() as free:
            if free:
                await rooms.store.observations.put_servers([found])
        marker = found.markers.get(job.target)
        return None if marker is None else marker.sha256

    async def stop(self, job: JobId, *, step: str | None = None, grace: float = 10.0) -> Job:
        """Stop a job and wait until nothing of it is left."""
        seen = await walk(self._rooms, Seen(), (see_config, load))
        engine = self._rooms.engine(reach_of(seen))
        async with self._rooms.saving() as alone:
            return await engine.stop(job, step=step, grace=grace, alone=alone)

    async def resolve(self, job: JobId, *, state: State, reason: str) -> Job:
        """Decide how a lost job ended.

        Raises:
            RefusedError: it is not lost.
        """
        found = await self._job(job)
        if found.state is not State.LOST:
            raise RefusedError(f"cannot resolve job {job}: it is {found.state}, not lost")
        seen = await walk(self._rooms, Seen(), (see_config, load))
        engine = self._rooms.engine(reach_of(seen))
        signal = Signal.SUCCEED if state is State.SUCCEEDED else Signal.FAIL
        return await engine.resolve(job, signal=signal, reason=reason)

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the artifacts of a job with their sizes."""
        return await self._rooms.artifacts.list(job)

    async def fetch(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Path, ...]:
        """Copy artifacts into a folder; what is there under their names is not overwritten.

        Raises:
            StateError: a file cannot be written, or is there already.
        """
        wanted = names or tuple(await self.artifacts(job))
        locate = self._rooms.artifacts.locate
        return tuple(put(locate(job, name), outdir / name, fresh=True) for name in wanted)

    async def _job(self, job: JobId) -> Job:
        found = await self._rooms.store.jobs.get(job)
        if found is None:
            raise NotFoundError(f"there is no job {job}", hint="ctl jobs list")
        return found
