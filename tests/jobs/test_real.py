"""The engine on this very machine: real processes, a real database, real logs and files."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.jobs.engine import Engine
from controller.jobs.marker import decode_marker
from controller.jobs.ports import Equipment
from controller.journal.artifacts import ArtifactFiles
from controller.journal.log import Log
from controller.journal.output import OutputFiles
from controller.model.declaration import Repo
from controller.model.ids import JobId, RunId, Sha, encode_id
from controller.model.inventory import Carrier, Server
from controller.model.job import Job, JobBody, Run, State, StepRun
from controller.model.task import Retry
from controller.model.work import StepWork, Work
from controller.secrets.comparison import new_key
from controller.secrets.masker import ValueMasker
from controller.store.sqlite import SqliteStore, open_store
from controller.transport.local import LocalDialer
from tests.jobs.rig import Watcher, digest, masker, when

pytestmark = pytest.mark.real

SERVER = Server(name="here", address="here", carrier=Carrier.LOCAL)


def fresh_id() -> str:
    return encode_id(secrets.token_bytes(8))


@dataclass(slots=True)
class Place:
    """A state folder, a home folder, and what works on them."""

    path: Path
    store: SqliteStore
    values: dict[str, str]
    project: str = field(default_factory=lambda: f"p{fresh_id()}")
    jobs: list[JobId] = field(default_factory=list)
    archives: dict[str, bytes] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """Where the runner keeps its things on this machine."""
        return Path("/var/lib/ctl") if os.geteuid() == 0 else self.home / ".local/state/ctl"

    @property
    def home(self) -> Path:
        return self.path / "home"

    async def archive(self, repo: Repo, sha: Sha) -> bytes:
        """Give the tar of a commit, if this test has made one."""
        return self.archives[sha]

    def engine(self) -> tuple[Engine, LocalDialer]:
        """Build an engine as a fresh process would."""
        state, clock = self.path / "state", SystemClock()
        mask: ValueMasker = masker(self.values.values())
        dialer = LocalDialer(
            environment={"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        )
        equipment = Equipment(
            store=self.store,
            dialer=dialer,
            output=OutputFiles(state),
            artifacts=ArtifactFiles(state),
            activity=Log(state, "activity", clock=clock, masker=mask),
            connectivity=Log(state, "connectivity", clock=clock, masker=mask),
            masker=mask,
            secrets=lambda name: self.values[name],
            keyed=lambda key, value: digest(key + value),
            new_key=new_key,
            clock=clock,
            ids=fresh_id,
            evaluate_when=when,
            archive=self.archive,
            controller_name="here",
            actor="tester@here",
            progress=Watcher(),
        )
        return Engine(equipment), dialer

    async def submit(self, engine: Engine, *steps: StepWork, **work: object) -> Job:
        id_, run = JobId(fresh_id()), RunId(fresh_id())
        now = SystemClock().now()
        inputs = digest(repr(steps))
        job = Job(
            id=id_,
            run=run,
            target="shop",
            task="deploy",
            server="here",
            digest=inputs,
            created_at=now,
            steps=tuple(StepRun(name=each.name) for each in steps),
        )
        made = Work(task="deploy", digest=inputs, steps=steps, workdir=str(self.home))
        made = replace(made, **work)  # type: ignore[arg-type]
        body = JobBody(job=id_, server=SERVER, work=made, project=self.project)
        self.jobs.append(id_)
        await engine.submit(Run(id=run, actor="tester@here", created_at=now), [(job, body)])
        return job

    async def text(self, job: Job, step: str, number: int = 1) -> bytes:
        """Read stored output."""
        attempts = next(run.attempts for run in job.steps if run.name == step)
        pieces = OutputFiles(self.path / "state").pieces(attempts[number - 1].id)
        return b"".join([piece.data async for piece in pieces])

    def marker(self) -> bytes:
        """Read the marker as it lies on this machine."""
        return (self.base / self.project / "targets" / "shop.json").read_bytes()

    def clean_up(self) -> None:
        """Leave no trace on this machine."""
        shutil.rmtree(self.base / self.project, ignore_errors=True)
        for job in self.jobs:
            shutil.rmtree(self.base / "jobs" / job, ignore_errors=True)
            for folder in (self.base / "attempts").glob(f"{job}.*"):
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "home").mkdir()
    store = open_store(tmp_path / "state", clock=SystemClock())
    made = Place(tmp_path, store, {"db": "hunter2secret"})
    yield made
    await store.close()
    made.clean_up()


async def test_a_job_does_its_work_here(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(
        engine,
        StepWork(
            name="make",
            text='echo "version=1.2" >"$CTL_OUTPUT"; echo "log of $DB" >"$CTL_ARTIFACTS/log"; echo "pw $DB"',
        ),
        StepWork(
            name="try",
            text='test -e again || { touch again; echo no; exit 7; }; echo "$CTL_OUT_MAKE_VERSION"',
            needs=("make",),
            retry=Retry(limit=1),
        ),
        secrets={"DB": "db"},
    )
    report = await engine.drive(job.run)
    await dialer.close()
    (done,) = report.jobs
    assert done.state is State.SUCCEEDED, done
    assert await place.text(done, "make") == b"pw *************\n"
    assert await place.text(done, "try", 1) == b"no\n"
    assert await place.text(done, "try", 2) == b"1.2\n"
    assert [attempt.exit_code for attempt in done.steps[1].attempts] == [7, 0]
    marker = decode_marker(place.marker(), target="shop", server="here")
    assert marker.applied == done.digest
    record = (await place.store.records.all())["shop", "here"]
    assert record == replace(marker, connection=SERVER)
    assert await ArtifactFiles(place.path / "state").list(done.id) == {"artifacts/log": 21}
    log = Log(place.path / "state", "activity", clock=SystemClock())
    assert log.verify() == ()
    assert "hunter2secret" not in "".join(map(str, log.tail(100)))


async def test_work_survives_its_controller_and_is_finished_by_the_next(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(
        engine,
        StepWork(name="slow", text="echo begin; sleep 2; echo x >>ran; echo end"),
        StepWork(name="next", text="echo y >>ran", needs=("slow",)),
    )
    report = await engine.drive(job.run, within=1.0)
    await dialer.close()
    assert report.waiting
    assert report.counts.open == 1
    engine, dialer = place.engine()
    (done,) = (await engine.settle()).jobs
    await dialer.close()
    assert done.state is State.SUCCEEDED, done
    assert (place.home / "ran").read_text() == "x\ny\n"
    assert await place.text(done, "slow") == b"begin\nend\n"
    assert [len(run.attempts) for run in done.steps] == [1, 1]


async def test_a_stop_reaches_the_processes(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(engine, StepWork(name="slow", text="sleep 300 & sleep 300"))
    driving = asyncio.create_task(engine.drive(job.run))
    for _ in range(200):
        await asyncio.sleep(0.05)
        seen = await place.store.jobs.get(job.id)
        if seen is not None and seen.steps[0].state is State.RUNNING:
            break
    await engine.stop(job.id, grace=1.0, alone=False)
    (done,) = (await driving).jobs
    await dialer.close()
    assert done.state is State.CANCELLED, done


async def test_a_time_out_is_kept_here_too(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(engine, StepWork(name="slow", text="sleep 300", timeout=1.0))
    (done,) = (await engine.drive(job.run)).jobs
    await dialer.close()
    assert done.state is State.TIMED_OUT, done
