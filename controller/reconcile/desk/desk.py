"""The jobs of the state, for people: find, read, follow, retry, stop, hold, decide, put away.

What `ctl jobs` asks for; calls the modules of this room that know how.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

from controller.errors import NotFoundError, RefusedError
from controller.jobs.input import Input
from controller.jobs.machine import Signal
from controller.jobs.retry import again
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job, JobBody, State
from controller.reconcile.carrying.applying import report_of
from controller.reconcile.carrying.submission import run_of
from controller.reconcile.desk import archiving, minding, workspaces
from controller.reconcile.desk.archiving import kept
from controller.reconcile.desk.attaching import Attachment, attach
from controller.reconcile.desk.fetching import LocalSource, fetch
from controller.reconcile.desk.listening import Listening
from controller.reconcile.desk.retrying import guard
from controller.reconcile.exchange.answers import Moved
from controller.reconcile.exchange.reports import LogChunk, RunReport
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.observe import read_server, see_server
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk

LAST = "@last"
FOLLOW_SECONDS = 0.2


class JobsDesk:
    """What `ctl jobs` asks for."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._inputs: dict[tuple[JobId, str | None], Input] = {}

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
        archived: bool = False,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first: those that are archived, or those that are not."""
        return await self._rooms.store.jobs.list(
            run=run, target=target, server=server, archived=archived, limit=limit
        )

    async def logs(self, job: JobId, *, follow: bool = False) -> AsyncIterator[LogChunk]:
        """Give stored output, attempt by attempt as they were made; with `follow` until the job has ended."""
        async with kept(self._rooms, await self._job(job)) as files:
            listening = Listening(self._rooms.store, files.output)
            while True:
                now = await self._job(job)
                async for chunk in listening.fresh(now):
                    yield chunk
                if now.state.ended or not follow:
                    return
                await self._rooms.clock.sleep(FOLLOW_SECONDS)

    def attach(
        self, job: Job, *, step: str | None = None
    ) -> AbstractAsyncContextManager[Attachment]:
        """Follow a job, or one of its steps; one that nobody drives is taken up meanwhile.

        Raises:
            NotFoundError: it has no such step.
        """
        if step is not None and all(each.name != step for each in job.steps):
            names = ", ".join(each.name for each in job.steps)
            raise NotFoundError(f"job {job.id} has no step {step!r}", hint=f"it has {names}")
        return attach(self._rooms, job, step)

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
        return await minding.stop(self._rooms, job, step=step, grace=grace)

    async def feed(
        self, job: JobId, data: bytes, *, step: str | None = None, close: bool = False
    ) -> None:
        """Give standard input to what takes it now of a job, each byte at most once; `close` ends it.

        Raises:
            RefusedError: nothing of it takes input.
            TransportError: the server is not reached; nobody knows whether it took what was given.
        """
        if (job, step) not in self._inputs:
            engine = await minding.engine_now(self._rooms)
            self._inputs[job, step] = engine.input(job, step=step)
        typing = self._inputs[job, step]
        await typing.feed(data, close=close)
        if close:
            del self._inputs[job, step]
            await typing.close()

    async def pause(self, job: JobId, *, step: str | None = None, seconds: float = 0.0) -> Job:
        """Hold a job, or one step of it, for some seconds or (0) until it is resumed."""
        return await minding.pause(self._rooms, job, step=step, seconds=seconds)

    async def resume(self, job: JobId) -> Job:
        """Let a held job go on."""
        return await minding.resume(self._rooms, job)

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

    async def archive(self, jobs: Sequence[JobId], *, out: Path | None = None) -> tuple[Job, ...]:
        """Put ended jobs away, each whole or not at all."""
        return await archiving.archive(self._rooms, jobs, out=out)

    async def archive_older(self, before: datetime, *, out: Path | None = None) -> tuple[Job, ...]:
        """Put away jobs that ended before a moment, oldest first, some of them; none: there are no more."""
        return await archiving.archive_older(self._rooms, before, out=out)

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the artifacts of a job with their sizes."""
        async with kept(self._rooms, await self._job(job)) as files:
            return await files.artifacts.list(job)

    async def fetch(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        """Copy artifacts into a folder; what is there under their names is not overwritten.

        Raises:
            StateError: a file cannot be written, or is there already.
        """
        async with kept(self._rooms, await self._job(job)) as files:
            wanted = names or tuple(await files.artifacts.list(job))
            places = {name: files.artifacts.locate(job, name) for name in wanted}
            return tuple(
                [
                    await fetch(
                        LocalSource(place),
                        name,
                        outdir,
                        tell=workspaces.teller(self._rooms, job, name),
                        clock=self._rooms.clock,
                    )
                    for name, place in places.items()
                ]
            )

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """List the files of the folder in which a job works, path to size."""
        return await workspaces.names(self._rooms, job)

    async def get(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        """Fetch files of a job's workspace into a folder, going on where an earlier fetch ended."""
        return await workspaces.get(self._rooms, job, names, outdir)

    async def put(self, job: JobId, source: Path, name: str, *, executable: bool = False) -> Moved:
        """Write a file of this machine into a job's workspace."""
        return await workspaces.put(self._rooms, job, source, name, executable=executable)

    async def remove(self, job: JobId, names: Sequence[str]) -> None:
        """Delete files of a job's workspace."""
        await workspaces.remove(self._rooms, job, names)

    async def _job(self, job: JobId) -> Job:
        found = await self._rooms.store.jobs.get(job)
        if found is None:
            raise NotFoundError(f"there is no job {job}", hint="ctl jobs list")
        return found
