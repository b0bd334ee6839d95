"""What a job left behind on its server: artifacts and result files are fetched, then its spools are deleted.

Called by `job` when all steps have ended; calls the session and the artifact files.
"""

from collections.abc import AsyncIterator

from controller.errors import NotFoundError, RefusedError, TransportError
from controller.jobs.assignment import Assignment
from controller.jobs.script_report import as_document
from controller.journal.artifacts import SavedFile
from controller.model.job import State
from controller.model.task import Result, ResultType
from controller.model.work import offered_script
from controller.transport.port import Session


class Collector:
    """Fetches from one server what one job left there."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._job = assignment.job

    async def fetch(self, *, succeeded: bool) -> str | None:
        """Fetch artifacts, and result files of what succeeded; say which promised file is not there.

        Raises:
            TransportError: the server does not answer any more.
        """
        if not any(step.attempts for step in self._job.steps):
            return None
        await self._assignment.link.through(self._artifacts)
        left = await self._assignment.link.through(self._reports)
        for result in self._results(succeeded=succeeded):
            path = result.path or ""
            if result.artifact:
                if not left:
                    return f"the script left no file {path}"
                continue

            async def act(session: Session, path: str = path) -> bool:
                return await self._save(session, path, f"result/{path.rpartition('/')[2]}")

            if not await self._assignment.link.through(act):
                return f"the result file {path} is not there"
        return None

    async def clean_up(self) -> None:
        """Let the server delete what is stored here now; what it does not hear of only costs it disk."""
        attempts = tuple(a.id for step in self._job.steps for a in step.attempts)
        if not attempts:
            return
        try:
            session = await self._assignment.link.session()
            await session.discard(attempts, job=self._job.id)
        except (TransportError, RefusedError, NotFoundError) as error:
            await self._tell("spool-left", message=error.message[:500])

    def _results(self, *, succeeded: bool) -> list[Result]:
        """List the result files that are promised now."""
        work = self._assignment.body.work
        ended_well = {run.name for run in self._job.steps if run.state is State.SUCCEEDED}
        wanted = [step.result for step in work.steps if step.name in ended_well]
        if succeeded:
            wanted.append(work.result)
        return [each for each in wanted if each is not None and each.type is ResultType.FILE]

    async def _artifacts(self, session: Session) -> None:
        """Fetch everything below the job's CTL_ARTIFACTS folder."""
        for path in sorted(await session.artifacts(self._job.id)):
            await self._save(session, f"artifacts:{self._job.id}/{path}", f"artifacts/{path}")

    async def _reports(self, session: Session) -> bool:
        """Keep what the server itself reports of its scripts, as `report/STEP.json` beside the artifacts.

        Returns:
            whether a script left the file it promised.
        """
        left = False
        steps = {step.name for step in self._assignment.body.work.steps if offered_script(step)}
        for run in self._job.steps:
            if run.name in steps and run.attempts:
                report = await session.report(run.attempts[-1].id)
                if report is not None:
                    left = left or bool(report.artifact)
                    mask = self._assignment.equipment.masker.mask
                    await self._keep(f"report/{run.name}.json", mask(as_document(report)))
        return left

    async def _keep(self, name: str, data: bytes) -> None:
        """Keep a few bytes as a file of the job."""

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        await self._assignment.equipment.artifacts.save(self._job.id, name, chunks(), _unheard)

    async def _save(self, session: Session, source: str, name: str) -> bool:
        """Fetch one file whole; false when it is not there, or not fit to be kept."""
        try:
            size = await session.size(source)
            if size is None:
                return False
            saved = await self._receive(session, source, name, size)
        except (RefusedError, NotFoundError) as error:
            await self._tell("file-refused", path=name, message=error.message)
            return False
        await self._tell("file-fetched", path=saved.path, size=saved.size, sha256=saved.sha256)
        return True

    async def _receive(self, session: Session, source: str, name: str, size: int) -> SavedFile:
        """Store a file as it comes."""
        equipment = self._assignment.equipment

        def tell(done: int) -> None:
            equipment.progress.fetched(self._job.id, name, done, size)

        return await equipment.artifacts.save(self._job.id, name, session.fetch(source), tell)

    async def _tell(self, event: str, **fields: object) -> None:
        """Write a line of the activity log."""
        equipment, job = self._assignment.equipment, self._job
        await equipment.activity.append(
            event, equipment.actor, run=job.run, job=job.id, server=job.server, **fields
        )


def _unheard(_done: int) -> None:
    """Tell nobody of a few bytes."""
