"""The jobs that are attached: one task each that hands the console what a job says, and the way back for what is typed.

Called by `screen`; calls the controller.
"""

import asyncio
from collections.abc import Callable

from controller.cli.port import Attachment, Controller
from controller.cli.views.output import OutputView
from controller.cli.views.style import Style
from controller.cli.views.words import line
from controller.errors import ControllerError, RefusedError
from controller.model.job import Job

MOST = 16
"""Jobs attached at once."""
Hear = Callable[[Job, str], None]
"""Takes a job and text of it that is safe to show."""


class Followed:
    """Everything that is attached now."""

    def __init__(self, controller: Controller, style: Style, hear: Hear) -> None:
        self._controller = controller
        self._style = style
        self._hear = hear
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._open: dict[str, Attachment] = {}
        self.jobs: dict[str, Job] = {}

    def attach(self, job: Job) -> bool:
        """Begin to follow a job; false when it is followed already, or too many are."""
        if job.id in self._tasks or len(self._tasks) >= MOST:
            return False
        self.jobs[job.id] = job
        self._tasks[job.id] = asyncio.create_task(self._follow(job))
        return True

    def detach(self, id_: str) -> bool:
        """Follow a job no longer; it goes on."""
        task = self._tasks.pop(id_, None)
        self.jobs.pop(id_, None)
        if task is None:
            return False
        task.cancel()
        return True

    async def feed(self, id_: str, data: bytes) -> None:
        """Give input to a job that is attached.

        Raises:
            RefusedError: it takes none.
            TransportError: its server is not reached.
        """
        attachment = self._open.get(id_)
        if attachment is None:
            raise RefusedError(f"cannot feed job {id_}: it is not attached yet")
        refusal = await attachment.refusal()
        if refusal is not None:
            raise RefusedError(f"job {id_} takes no input: {refusal}")
        await attachment.feed(data)

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = list(self._tasks.values())
        for id_ in list(self._tasks):
            self.detach(id_)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, job: Job) -> None:
        view = OutputView(self._style)
        try:
            async with self._controller.jobs.attach(job) as attachment:
                self._open[job.id] = attachment
                async for chunk in attachment.output():
                    if chunk is not None:
                        self._hear(job, view.feed(chunk))
                self._hear(job, view.finish())
                self._hear(job, f"== {attachment.job.state}")
        except ControllerError as error:
            self._hear(job, f"== cannot go on reading: {line(error.message)}")
        finally:
            self._open.pop(job.id, None)
        self._tasks.pop(job.id, None)
        self.jobs.pop(job.id, None)
