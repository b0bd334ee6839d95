"""A controller with a real database, real logs and files, and a real server: this machine, or one over ssh."""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from controller.clock import SystemClock
from controller.jobs.engine import Engine
from controller.jobs.ports import Equipment
from controller.journal.artifacts import ArtifactFiles
from controller.journal.log import Log
from controller.journal.output import OutputFiles
from controller.model.declaration import Repo
from controller.model.ids import JobId, RunId, Sha, encode_id
from controller.model.inventory import Carrier, Server
from controller.model.job import Job, JobBody, Run, StepRun
from controller.model.work import StepWork, Work
from controller.secrets.comparison import new_key
from controller.secrets.masker import ValueMasker
from controller.store.shelves import SqlStore
from controller.transport.local import LocalDialer
from controller.transport.port import Dialer
from tests.jobs.rig import Watcher, digest, masker, when

SERVER = Server(name="here", address="here", carrier=Carrier.LOCAL)


def fresh_id() -> str:
    return encode_id(secrets.token_bytes(8))


@dataclass(slots=True)
class Place:
    """A state folder, a home folder, and what works on them."""

    path: Path
    store: SqlStore
    values: dict[str, str]
    project: str = field(default_factory=lambda: f"p{fresh_id()}")
    jobs: list[JobId] = field(default_factory=list)
    archives: dict[str, bytes] = field(default_factory=dict)
    server: Server = SERVER
    dial: Callable[[], Dialer] | None = None
    there: Path | None = None
    """Where the runner keeps its things, if that is not this machine's own place."""

    @property
    def base(self) -> Path:
        """Where the runner keeps its things on this machine."""
        if self.there is not None:
            return self.there
        return Path("/var/lib/ctl") if os.geteuid() == 0 else self.home / ".local/state/ctl"

    @property
    def home(self) -> Path:
        return self.path / "home"

    def local(self) -> Dialer:
        """Reach this machine, with a home folder of its own."""
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return LocalDialer(environment=environment)

    async def archive(self, repo: Repo, sha: Sha) -> bytes:
        """Give the tar of a commit, if this test has made one."""
        return self.archives[sha]

    def engine(self) -> tuple[Engine, Dialer]:
        """Build an engine as a fresh process would."""
        state, clock = self.path / "state", SystemClock()
        mask: ValueMasker = masker(self.values.values())
        dialer = self.local() if self.dial is None else self.dial()
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

    async def submit(
        self,
        engine: Engine,
        *steps: StepWork,
        commit: Sha | None = None,
        repo: Repo | None = None,
        **work: object,
    ) -> Job:
        id_, run = JobId(fresh_id()), RunId(fresh_id())
        now = SystemClock().now()
        inputs = digest(repr(steps))
        job = Job(
            id=id_,
            run=run,
            target="shop",
            task="deploy",
            server=self.server.name,
            digest=inputs,
            commit=commit,
            created_at=now,
            steps=tuple(StepRun(name=each.name) for each in steps),
        )
        made = Work(task="deploy", digest=inputs, steps=steps, workdir=str(self.home))
        made = replace(made, **work)  # type: ignore[arg-type]
        body = JobBody(job=id_, server=self.server, work=made, project=self.project, repo=repo)
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
