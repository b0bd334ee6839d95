"""An engine with a simulated fleet and everything else in memory."""

import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.errors import SecretError, SourceError
from controller.jobs.engine import Engine
from controller.jobs.marker import decode_marker
from controller.jobs.ports import Equipment
from controller.journal.artifacts import SavedFile
from controller.model.applied import Applied
from controller.model.declaration import Repo
from controller.model.ids import AttemptId, Digest, JobId, RunId, Sha
from controller.model.inventory import Server
from controller.model.job import Event, Job, JobBody, Run, State, StepRun
from controller.model.task import Result, Retry
from controller.model.work import StepWork, Work
from controller.secrets.masker import ValueMasker
from controller.store.memory import MemoryStore
from controller.store.ports import Store
from tests.fakes.fleet import Behaviour, SimulatedFleet, obey
from tests.fakes.jumping_clock import JumpingClock


def masker(values: Iterable[str]) -> ValueMasker:
    """Mask these values and all their forms."""
    made = ValueMasker()
    for value in values:
        made.add(value.encode())
    return made


class MemoryOutput:
    """Output by attempt; a gap shows as NUL bytes."""

    def __init__(self) -> None:
        self.files: dict[AttemptId, bytearray] = {}

    async def append(self, attempt: AttemptId, offset: int, data: bytes, *, gap: int = 0) -> None:
        kept = self.files.setdefault(attempt, bytearray())
        assert len(kept) + gap >= offset, "output has a hole nobody told of"
        kept.extend(bytes(max(0, offset - len(kept))))
        kept.extend(data[len(kept) - offset :])

    async def stored(self, attempt: AttemptId) -> int:
        return len(self.files.get(attempt, b""))

    def sweep(self, keep: Collection[str]) -> None:
        self.files = {id_: data for id_, data in self.files.items() if id_.split(".")[0] in keep}


class MemoryLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, Mapping[str, object]]] = []

    async def append(self, event: str, actor: str, **fields: object) -> None:
        self.lines.append((event, {"actor": actor, **fields}))

    async def conclude(self, event: str, actor: str, **fields: object) -> None:
        await self.append(event, actor, **fields)

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


class MemoryArtifacts:
    def __init__(self) -> None:
        self.files: dict[tuple[JobId, str], bytes] = {}

    async def save(
        self, job: JobId, path: str, chunks: AsyncIterator[bytes], tell: Callable[[int], None]
    ) -> SavedFile:
        content = b"".join([chunk async for chunk in chunks])
        tell(len(content))
        self.files[job, path] = content
        return SavedFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def sweep(self, keep: Collection[str]) -> None:
        self.files = {key: data for key, data in self.files.items() if key[0] in keep}


@dataclass(slots=True)
class Watcher:
    events: list[Event] = field(default_factory=list)
    shown: dict[JobId, bytes] = field(default_factory=dict)

    def changed(self, job: Job, event: Event) -> None:
        self.events.append(event)

    def output(self, job: JobId, step: str, data: bytes) -> None:
        self.shown[job] = self.shown.get(job, b"") + data

    def fetched(self, job: JobId, path: str, done: int, total: int) -> None:
        assert done <= total


def step(name: str, *needs: str, **more: object) -> StepWork:
    return StepWork(name=name, text=name, needs=needs, **more)  # type: ignore[arg-type]


def chain(*names: str) -> tuple[StepWork, ...]:
    """Steps that each wait for the one before."""
    return tuple(step(n, *names[i - 1 : i] if i else ()) for i, n in enumerate(names))


def digest(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).hexdigest())


async def when(expression: str, job: Job, _body: JobBody) -> bool:
    """ "NAME.STATE", or "never"."""
    name, _, state = expression.partition(".")
    return any(run.name == name and run.state == state for run in job.steps)


class Rig:
    """Everything an engine needs, and short ways to ask it for something."""

    def __init__(
        self,
        behaviour: Behaviour = obey,
        *,
        store: Store | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = JumpingClock()
        self.fleet = SimulatedFleet(self.clock, behaviour)
        self.store: Store = store or MemoryStore()
        self.output = MemoryOutput()
        self.artifacts = MemoryArtifacts()
        self.activity = MemoryLog()
        self.connectivity = MemoryLog()
        self.watcher = Watcher()
        self.secrets = dict(secrets or {})
        self.archives: dict[str, bytes] = {}
        self._ids = itertools.count(1)
        self._keys = itertools.chain(["ab" * 32], map("{:064x}".format, itertools.count(1)))

    def equipment(self, store: Store | None = None) -> Equipment:
        return Equipment(
            store=store or self.store,
            dialer=self.fleet,
            output=self.output,
            artifacts=self.artifacts,
            activity=self.activity,
            connectivity=self.connectivity,
            masker=masker(self.secrets.values()),
            secrets=self.secret,
            keyed=lambda key, value: hashlib.sha256((key + value).encode()).hexdigest(),
            new_key=lambda: next(self._keys),
            clock=self.clock,
            ids=self.id,
            evaluate_when=when,
            archive=self.archive,
            controller_name="laptop",
            actor="tester@laptop",
            progress=self.watcher,
        )

    def engine(self) -> Engine:
        return Engine(self.equipment())

    def id(self) -> str:
        return f"{next(self._ids):012d}"

    async def archive(self, repo: Repo, sha: Sha) -> bytes:
        if sha not in self.archives:
            raise SourceError(f"cannot find the files of commit {sha}")
        return self.archives[sha]

    def secret(self, name: str) -> str:
        if name not in self.secrets:
            raise SecretError(f"cannot read secret {name}")
        return self.secrets[name]

    def job(
        self,
        steps: Sequence[StepWork] = chain("one"),
        *,
        run: str = "run1",
        server: str = "web-1",
        target: str | None = "shop",
        expect: Digest | None = None,
        concurrency: int = 1,
        inputs: str = "v1",
        **work: object,
    ) -> tuple[Job, JobBody]:
        id_ = JobId(self.id())
        job = Job(
            id=id_,
            run=RunId(run),
            target=target,
            task="deploy",
            server=server,
            digest=digest(inputs),
            created_at=self.clock.now(),
            steps=tuple(StepRun(name=each.name) for each in steps),
        )
        body = JobBody(
            job=id_,
            server=Server(name=server, address=server, concurrency=concurrency),
            work=Work(task="deploy", digest=digest(inputs), steps=tuple(steps), **work),  # type: ignore[arg-type]
            expect=expect,
        )
        return job, body

    async def submit(
        self, *jobs: tuple[Job, JobBody], run: str = "run1", engine: Engine | None = None
    ) -> Engine:
        engine = engine or self.engine()
        record = Run(id=RunId(run), actor="tester@laptop", created_at=self.clock.now())
        await engine.submit(record, [(replace(j, run=RunId(run)), b) for j, b in jobs])
        return engine

    async def run(self, *jobs: tuple[Job, JobBody], run: str = "run1") -> tuple[Job, ...]:
        """Submit and drive; give the jobs as they stand after."""
        engine = await self.submit(*jobs, run=run)
        return (await engine.drive(RunId(run))).jobs

    def marker(self, server: str = "web-1", target: str = "shop") -> Applied | None:
        content = self.fleet.machine(server).markers.get(("main", target))
        return None if content is None else decode_marker(content, target=target, server=server)

    async def record(self, server: str = "web-1", target: str = "shop") -> Applied | None:
        """Give a record as its marker would be: without how the server is reached."""
        record = (await self.store.records.all()).get((target, server))
        return None if record is None else replace(record, connection=None)


__all__ = ["Result", "Retry", "Rig", "State", "chain", "digest", "step"]
