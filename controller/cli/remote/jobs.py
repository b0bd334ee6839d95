"""Jobs of a serving controller, behind the port that `ctl jobs` uses here.

Made by `controller`; calls the client.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.cli.exitcodes import GoesOnError
from controller.cli.remote.attachment import RemoteAttachment
from controller.cli.remote.client import Client, listing, mapping, word
from controller.cli.remote.files import FileThere, below, content_of, fetched, teller
from controller.cli.remote.output import chunks
from controller.cli.remote.reading import job_of, read, report_of, run_of
from controller.cli.remote.refusals import UnreachedError
from controller.cli.remote.said import PARALLEL, STOP_GRACE, said, unless
from controller.cli.standard import ending
from controller.errors import ControllerError, NotFoundError, RefusedError, UsageError
from controller.journal.artifacts import harmless_path
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State
from controller.reconcile.exchange.answers import Moved
from controller.reconcile.exchange.progress import Listener, Progress, Stage
from controller.reconcile.exchange.reports import LogChunk, RunReport
from controller.reconcile.exchange.requests import RunRequest

LAST: Final = "@last"
LOOK_SECONDS: Final = 0.3
"""Between two looks at a run that goes on."""
RUN_LENGTH: Final = 12
"""Letters of the id of a run."""
BACK_SECONDS: Final = 30.0
"""In which a controller that was lost while its work is waited for has to be back."""
PAGE: Final = 500
INPUT: Final = 256 << 10
"""Bytes of standard input that go with one request."""


class RemoteJobs:
    """Jobs over there."""

    def __init__(self, client: Client, listener: Listener) -> None:
        self._client = client
        self._listener = listener

    async def find(self, prefix: str) -> Job:
        """Find one job by a unique prefix of its id, or "@last"."""
        if prefix == LAST:
            found = await self.list(limit=1)
            if not found:
                raise NotFoundError("there is no job", hint="ctl jobs list")
            return found[0]
        return job_of(await self._client.get(f"/api/v1/jobs/{word(prefix)}"))

    async def body(self, job: JobId) -> JobBody:
        """Refuse: what a job was recorded with stays over there."""
        raise _not_there(f"what job {job} was recorded with")

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        archived: bool = False,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first."""
        if run is not None and not (len(run) == RUN_LENGTH and run.isascii() and run.isalnum()):
            return ()  # the id of no run, which the API refuses as a question
        found: list[Job] = []
        cursor: object = None
        while len(found) < limit:
            page = mapping(
                await self._client.get(
                    "/api/v1/jobs",
                    run=run,
                    target=target,
                    server=server,
                    archived=archived or None,
                    limit=min(PAGE, limit - len(found)),
                    cursor=None if cursor is None else str(cursor),
                )
            )
            found += map(job_of, listing(page["items"]))
            cursor = page.get("next")
            if not cursor:
                break
        return tuple(found)

    async def logs(self, job: JobId, *, follow: bool = False) -> AsyncIterator[LogChunk]:
        """Give stored output in order; with `follow` until the job has ended."""
        async with ending(chunks(self._client, job, None, follow=follow)) as told:
            async for chunk in told:
                yield chunk

    async def retry(self, job: JobId, *, failed_only: bool = False) -> RunReport:
        """Run a job's work again, and wait until it has ended."""
        told = await self._client.send(
            "POST", f"/api/v1/jobs/{job}/retry", said(failed_only=failed_only)
        )
        return await self.follow(told)

    async def stop(self, job: JobId, *, step: str | None = None, grace: float = 10.0) -> Job:
        """Stop a job, or one step of it, and wait until nothing of it is left."""
        body = said(step=step, grace=unless(grace, STOP_GRACE))
        return job_of(await self._client.send("POST", f"/api/v1/jobs/{job}/stop", body))

    @asynccontextmanager
    async def attach(
        self, job: Job, *, step: str | None = None
    ) -> AsyncIterator["RemoteAttachment"]:
        """Follow a job, or one of its steps."""
        if step is not None and all(each.name != step for each in job.steps):
            names = ", ".join(each.name for each in job.steps)
            raise NotFoundError(f"job {job.id} has no step {step!r}", hint=f"it has {names}")
        yield RemoteAttachment(self._client, self, job, step)

    async def feed(
        self, job: JobId, data: bytes, *, step: str | None = None, close: bool = False
    ) -> None:
        """Give standard input to what takes it now of a job; `close` ends it."""
        pieces = [data[at : at + INPUT] for at in range(0, len(data), INPUT)] or [b""]
        for number, piece in enumerate(pieces, 1):
            body = said(
                data=base64.b64encode(piece).decode() or None,
                step=step,
                close=close and number == len(pieces),
            )
            await self._client.send("POST", f"/api/v1/jobs/{job}/input", body)

    async def pause(self, job: JobId, *, step: str | None = None, seconds: float = 0.0) -> Job:
        """Hold a job, or one step of it, for some seconds or (0) until it is resumed."""
        body = said(step=step, seconds=unless(seconds, 0.0))
        return job_of(await self._client.send("POST", f"/api/v1/jobs/{job}/pause", body))

    async def resume(self, job: JobId) -> Job:
        """Let a held job go on."""
        return job_of(await self._client.send("POST", f"/api/v1/jobs/{job}/resume"))

    async def resolve(self, job: JobId, *, state: State, reason: str) -> Job:
        """Decide how a lost job ended."""
        body = {"state": state.value, "reason": reason}
        return job_of(await self._client.send("POST", f"/api/v1/jobs/{job}/resolve", body))

    async def archive(self, jobs: Sequence[JobId], *, out: Path | None = None) -> tuple[Job, ...]:
        """Put ended jobs away, over there."""
        if out is not None:
            raise UsageError("--out names a folder of this machine", hint="leave it out")
        return tuple(
            [job_of(await self._client.send("POST", f"/api/v1/jobs/{job}/archive")) for job in jobs]
        )

    async def archive_older(self, before: datetime, *, out: Path | None = None) -> tuple[Job, ...]:
        """Refuse: a serving controller does that by itself."""
        del before, out
        raise _not_there(
            "putting old jobs away", hint="settings.retention of the config repository"
        )

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """List the files of the folder in which a job works, path to size."""
        return await self._files(f"/api/v1/jobs/{job}/workspace")

    async def get(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        """Fetch files of a job's workspace, going on where an earlier fetch ended."""
        return await self._fetch(f"/api/v1/jobs/{job}/workspace", job, names, outdir)

    async def put(self, job: JobId, source: Path, name: str, *, executable: bool = False) -> Moved:
        """Write a file of this machine into a job's workspace."""
        data = await asyncio.to_thread(content_of, source)
        path = below(f"/api/v1/jobs/{job}/workspace", name)
        told = mapping(await self._client.upload(path, data, executable=executable))
        teller(self._listener, job, name)(len(data), len(data))
        return Moved(
            name=name, path=source, size=read(int, told["size"]), sha256=str(told["sha256"])
        )

    async def remove(self, job: JobId, names: Sequence[str]) -> None:
        """Delete files of a job's workspace."""
        for name in names:
            await self._client.send("DELETE", below(f"/api/v1/jobs/{job}/workspace", name))

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the artifacts of a job with their sizes."""
        return await self._files(f"/api/v1/jobs/{job}/artifacts")

    async def fetch(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        """Fetch artifacts into a folder, going on where an earlier fetch ended."""
        return await self._fetch(f"/api/v1/jobs/{job}/artifacts", job, names, outdir)

    async def _fetch(
        self, path: str, job: JobId, names: Sequence[str], outdir: Path
    ) -> tuple[Moved, ...]:
        """Fetch some of the files that are listed at a path, or all of them."""
        there = await self._files(path)
        return tuple(
            [
                await fetched(
                    FileThere(self._client, below(path, name), there.get(name)),
                    harmless_path(name),
                    outdir,
                    job=job,
                    listener=self._listener,
                )
                for name in names or tuple(there)
            ]
        )

    async def _files(self, path: str) -> Mapping[str, int]:
        rows = [mapping(one) for one in listing(await self._client.get(path))]
        return {str(row["name"]): read(int, row["size"]) for row in rows}

    async def ask(self, request: RunRequest, *, key: str) -> object:
        """Have a task, a target, a script or a command recorded; give what the controller answers."""
        stdin = base64.b64encode(request.stdin).decode() or None
        shared = said(
            params=dict(request.params),
            stdin=stdin,
            interactive=request.interactive,
            parallel=unless(request.parallel, PARALLEL),
        )
        if request.target is not None:
            if request.user is not None or request.limits:
                raise UsageError(
                    f"target {request.target} says itself as whom it runs and within which limits",
                    hint="leave out --as and --limit",
                )
            body = said(kind="run", target=request.target, on=request.on, **shared)
            return await self._client.send("POST", "/api/v1/runs", body, key=key)
        plain = not request.words and request.user is None and not request.limits
        if request.task is not None and plain:
            try:
                body = said(kind="run", task=request.task, on=request.on, **shared)
                return await self._client.send("POST", "/api/v1/runs", body, key=key)
            except NotFoundError:
                pass  # none that is declared: perhaps the servers offer a script of that name
        body = said(
            on=request.on,
            script=request.task,
            user=request.user,
            limits=said(**asdict(request.limits)),
            **shared,
            **words_of(request),
        )
        return await self._client.send("POST", "/api/v1/jobs", body, key=f"{key}-adhoc")

    async def follow(self, told: object, *, within: float | None = None) -> RunReport:
        """Wait until a run that was recorded has ended, telling how it goes.

        Args:
            told: what the controller answered.
            within: seconds to wait at most; the work goes on.
        """
        id_ = mapping(told).get("run")
        if id_ is None:
            return report_of(told, None, ())
        loop = asyncio.get_running_loop()
        until = None if within is None else loop.time() + within
        shown: dict[tuple[str, str | None], State] = {}
        while True:
            run, jobs = await self._awaited(RunId(str(id_)))
            self._tell(jobs, shown)
            over = run.finished_at is not None or all(_rests(job) for job in jobs)
            if over or (until is not None and loop.time() >= until):
                return report_of(told, run, jobs)
            await asyncio.sleep(LOOK_SECONDS)

    async def _awaited(self, id_: RunId) -> tuple[Run, tuple[Job, ...]]:
        """Look at a run that was recorded; a controller that is just being restarted is waited for.

        Raises:
            GoesOnError: it did not come back.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + BACK_SECONDS
        while True:
            try:
                return await self._run(id_)
            except UnreachedError as error:
                if loop.time() >= until:
                    raise GoesOnError(
                        error.message, hint=f"the run goes on: ctl jobs list --run {id_}"
                    ) from error
            await asyncio.sleep(LOOK_SECONDS)

    async def _run(self, id_: str) -> tuple[Run, tuple[Job, ...]]:
        document = mapping(await self._client.get(f"/api/v1/runs/{id_}"))
        jobs = sorted(map(job_of, listing(document["jobs"])), key=lambda job: job.created_at)
        return run_of(document), tuple(jobs)

    def _tell(self, jobs: Sequence[Job], shown: dict[tuple[str, str | None], State]) -> None:
        """Tell of every state that is another than at the last look."""
        for job in jobs:
            steps = [(step.name, step.state, step.reason) for step in job.steps]
            for step, state, reason in [*steps, (None, job.state, job.reason)]:
                if shown.get((job.id, step), State.PENDING) is state:
                    continue
                shown[job.id, step] = state
                self._listener(
                    Progress(
                        stage=Stage.JOB if step is None else Stage.STEP,
                        subject=job.id,
                        message=reason or "",
                        server=job.server,
                        target=job.target or job.task,
                        step=step,
                        state=state,
                    )
                )


def words_of(request: RunRequest) -> dict[str, object]:
    """Say what is to be run: one word is a text for sh, several are a command, as `ctl run` has it."""
    if request.task is None and len(request.words) == 1:
        return {"run": request.words[0]}
    return {"command": request.words}


def _rests(job: Job) -> bool:
    """Say whether nothing more happens to a job before its server answers."""
    return job.state.ended or (job.state is State.PENDING and job.reason == "Unreachable")


def _not_there(what: str, *, hint: str | None = None) -> ControllerError:
    return RefusedError(
        f"cannot give {what} through a controller", hint=hint or "do it where the state is"
    )
