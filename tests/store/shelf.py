"""Records to put on a shelf."""

from datetime import UTC, datetime, timedelta

from controller.model.applied import Applied
from controller.model.ids import Digest, JobId, RunId
from controller.model.inventory import Server, Ssh
from controller.model.job import Event, Job, JobBody, Run, State
from controller.model.observation import ServerSeen
from controller.model.task import Retry
from controller.model.work import Input, StepWork, Work

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = Digest("ab" * 32)
WORK = Work(
    task="deploy",
    digest=DIGEST,
    inputs={"steps.fetch.run": Input(digest=DIGEST)},
    steps=(StepWork(name="fetch", text="echo \u00fc", retry=Retry(limit=2, delay=1.5)),),
    params={"channel": "stable", "count": 3, "ratio": 0.5, "list": [1, None, True]},
    secrets={"DB_PASSWORD": "db-password"},
)


def a_run(number: int = 1) -> Run:
    return Run(id=RunId(f"run{number:09d}"), actor="ops@example.com", created_at=NOW, title="apply")


def a_job(number: int = 1, run: int = 1, **changes: object) -> Job:
    values: dict[str, object] = {
        "id": JobId(f"job{number:09d}"),
        "run": a_run(run).id,
        "target": "shop",
        "task": "deploy",
        "server": f"web-{number:02d}",
        "digest": DIGEST,
        "created_at": NOW + timedelta(seconds=number),
    }
    return Job(**(values | changes))  # type: ignore[arg-type]


def a_body(job: Job) -> JobBody:
    server = Server(
        name=job.server,
        address=f"{job.server}.example.com",
        ssh=Ssh(user="deploy", sudo=True),
        groups=("web", "all-linux"),
        vars={"port": 8080, "tags": ["a", "b"]},
    )
    return JobBody(job=job.id, server=server, work=WORK, facts={"CTL_REPO": "shop"})


def with_bodies(*jobs: Job) -> list[tuple[Job, JobBody]]:
    return [(job, a_body(job)) for job in jobs]


def an_event(job: Job, seq: int, state: State = State.RUNNING, **changes: object) -> Event:
    values: dict[str, object] = {"job": job.id, "seq": seq, "at": NOW, "state": state}
    return Event(**(values | changes))  # type: ignore[arg-type]


def a_record(target: str = "shop", server: str = "web-01", **changes: object) -> Applied:
    return Applied(target=target, server=server, applied=DIGEST, at=NOW, **changes)  # type: ignore[arg-type]


def seen_at(minutes: int, server: str = "web-01", **changes: object) -> ServerSeen:
    at = NOW + timedelta(minutes=minutes)
    return ServerSeen(server=server, at=at, reached=True, **changes)  # type: ignore[arg-type]
