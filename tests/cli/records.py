"""Records for views: a plan with one of everything, in words a person would write."""

from datetime import timedelta

from controller.model.ids import AttemptId, Digest, JobId, RunId, Sha
from controller.model.job import Attempt, Job, Run, State, StepRun
from controller.model.plan import Action, Blocker, Cause, Change, Gate, Plan, Summary
from tests.cli.stage import NOW

COMMIT = Sha("a1b2c3d" + "0" * 33)
DIGEST = Digest("d" * 64)

RAISED = Cause(file="pipelines/shop.yaml", line=14, commit=COMMIT, author="Ana")


def changed(server: str) -> Change:
    return Change(
        target="shop-prod",
        server=server,
        task="deploy-shop",
        action=Action.CHANGE,
        reason="parameter workers changed",
        cause=RAISED,
        inputs=("params.workers",),
        before=Digest("1" * 64),
        after=Digest("2" * 64),
        commands=("./build.sh", "systemctl restart shop\nsystemctl status shop"),
    )


DRIFTED = Change(
    target="chrony",
    server="db-2",
    task="chrony",
    action=Action.NONE,
    drift="check ended with exit 1: /etc/chrony.conf differs",
    cause=Cause(file="pipelines/base.yaml", line=3),
)
FORGOTTEN = Change(
    target="legacy",
    server="app-1",
    task="cron",
    action=Action.FORGET,
    reason="target legacy is no longer declared",
    cause=Cause(file="pipelines/legacy.yaml", commit=COMMIT, author="Lee"),
)
BLOCKED = Change(
    target="migrate",
    server="db-1",
    task="migrate",
    action=Action.CHANGE,
    blocked_by=Blocker(
        gate=Gate.LOCK,
        message="locked by ana@laptop since 10:02",
        clear="ctl jobs list --server db-1",
    ),
)
UNKNOWN = Change(
    target="shop-prod",
    server="web-9",
    task="deploy-shop",
    action=Action.NONE,
    unknown=True,
    reason="not reached (tcp): connection refused",
)


def full_plan() -> Plan:
    return Plan(
        commit=COMMIT,
        author="Ana",
        subject="raise worker limit",
        digest=DIGEST,
        created_at=NOW,
        observed_at=NOW - timedelta(minutes=2),
        changes=(
            DRIFTED,
            changed("web-01"),
            changed("web-02"),
            changed("web-03"),
            FORGOTTEN,
            BLOCKED,
            UNKNOWN,
        ),
        summary=Summary(change=3, remove=1, servers=4, drifted=1, blocked=1, unknown=1),
        in_sync=7,
        servers=12,
    )


def empty_plan() -> Plan:
    return Plan(
        commit=COMMIT,
        digest=DIGEST,
        created_at=NOW,
        observed_at=NOW - timedelta(hours=3),
        in_sync=42,
        servers=21,
    )


def job(
    state: State = State.SUCCEEDED, *, server: str = "web-01", exit_code: int | None = 0
) -> Job:
    name = JobId("0123456789ab")
    return Job(
        id=name,
        run=RunId("rrrrrrrrrrrr"),
        target="shop-prod",
        task="deploy-shop",
        server=server,
        state=state,
        digest=DIGEST,
        exit_code=exit_code,
        commit=COMMIT,
        created_at=NOW - timedelta(minutes=5),
        started_at=NOW - timedelta(minutes=4),
        finished_at=NOW - timedelta(minutes=3) if state.ended else None,
        steps=(
            StepRun(
                name="build",
                state=state,
                exit_code=exit_code,
                attempts=(
                    Attempt(
                        id=AttemptId(f"{name}.build.1"),
                        number=1,
                        state=state,
                        exit_code=exit_code,
                        length=2048,
                    ),
                ),
            ),
        ),
    )


RUN = Run(id=RunId("rrrrrrrrrrrr"), actor="ana@laptop", created_at=NOW)
