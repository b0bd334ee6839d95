"""A store that kills its controller at a chosen write, before or after the write is durable."""

from collections.abc import Callable, Iterable, Sequence

from controller.model.applied import Applied
from controller.model.job import Event, Job, JobBody, Run
from controller.store.memory import MemoryJobs, MemoryRecords, MemoryRuns, MemoryStore


class Crash(BaseException):
    """The controller is gone."""


def cause_of(error: BaseException) -> BaseException:
    """Unwrap what task groups wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Fuse:
    """Burns at write number `at` (0: never); from then on the controller that wrote can write nothing more."""

    def __init__(
        self, at: int = 0, *, after: bool = False, bang: Callable[[], None] = lambda: None
    ) -> None:
        self.count = 0
        self.burnt = False
        self._at = at
        self._after = after
        self._bang = bang

    def before(self) -> None:
        self.count += 1
        if self.burnt or (self.count == self._at and not self._after):
            self._burn()

    def after(self) -> None:
        if self.count == self._at and self._after:
            self._burn()

    def _burn(self) -> None:
        if not self.burnt:
            self.burnt = True
            self._bang()
        raise Crash


class CrashingStore(MemoryStore):
    """A memory store behind a fuse, which the test renews for the next controller."""

    def __init__(self) -> None:
        super().__init__()
        self.fuse = Fuse()
        self.jobs: MemoryJobs = _Jobs(self)
        self.runs: MemoryRuns = _Runs(self)
        self.records: MemoryRecords = _Records(self)


class _Jobs(MemoryJobs):
    def __init__(self, store: CrashingStore) -> None:
        super().__init__()
        self._store = store

    async def append(self, job: Job, events: Sequence[Event]) -> None:
        self._store.fuse.before()
        await super().append(job, events)
        self._store.fuse.after()


class _Runs(MemoryRuns):
    def __init__(self, store: CrashingStore) -> None:
        super().__init__(store.jobs)
        self._store = store

    async def add(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> bool:
        self._store.fuse.before()
        dropped = await super().add(run, jobs)
        self._store.fuse.after()
        return dropped

    async def finish(self, run: Run) -> None:
        self._store.fuse.before()
        await super().finish(run)
        self._store.fuse.after()


class _Records(MemoryRecords):
    def __init__(self, store: CrashingStore) -> None:
        super().__init__()
        self._store = store

    async def put(self, records: Iterable[Applied]) -> None:
        self._store.fuse.before()
        await super().put(records)
        self._store.fuse.after()
