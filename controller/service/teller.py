"""Whoever watches a command hears through this what the engine does.

Made by `works` for a controller by hand; one that serves tells by `news` instead.
"""

from controller.model.ids import JobId
from controller.model.job import Event, Job
from controller.reconcile.exchange.progress import Listener, Progress, Stage


class Teller:
    """Tells whoever watches what the engine does."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def changed(self, job: Job, event: Event) -> None:
        """Tell of a recorded event."""
        self._listener(
            Progress(
                stage=Stage.JOB if event.step is None else Stage.STEP,
                subject=job.id,
                message=event.reason or "",
                server=job.server,
                target=job.target or job.task,
                step=event.step,
                state=event.state,
            )
        )

    def output(self, job: JobId, step: str, data: bytes) -> None:
        """Output is read from its files by those who want it."""

    def fetched(self, job: JobId, path: str, done: int, total: int) -> None:
        """Tell how much of a file has arrived."""
        self._listener(
            Progress(stage=Stage.FILE, subject=job, message=path, done=done, total=total)
        )
