"""Going on with a run: exactly what is left of it, as it was planned then, in the waves it had."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.cli.exitcodes import ExitCode, of_error
from controller.errors import NotFoundError, RefusedError, StalePlanError, Unreachable
from controller.model.ids import AttemptId, Digest, JobId, RunId
from controller.model.job import Attempt, Job, State, StepRun, Trigger
from controller.model.plan import Action
from controller.reconcile.carrying.resuming import did_fail, is_left
from controller.reconcile.exchange.requests import RunRequest
from controller.transport.port import Probed
from tests.fakes.house import Town, house

ROLLOUT = """\
tasks: {{work: {{run: 'work {n}'{check}}}}}
targets:
  t: {{servers: all, task: work, rollout: {{batch: 1, max_failures: {most}}}{more}}}
"""


def rollout(n: int = 1, most: int = 0, more: str = "", check: str = "") -> str:
    return ROLLOUT.format(n=n, most=most, more=more, check=check)


def on(*numbers: int, target: str = "t") -> list[tuple[str, str]]:
    return [(target, f"web-{number}") for number in numbers]


async def test_a_resumed_run_takes_what_failed_and_what_never_began_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=5)
        h.town.bad = {"web-3"}
        run = await h.halted()
        assert h.town.worked == on(1, 2, 3)
        h.town.bad = set()
        assert await h.resume(run) == on(3, 4, 5)
        assert (await h.plan()).changes == ()


async def test_a_resumed_run_is_of_the_same_plan_in_the_same_waves(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=4)
        h.town.bad = {"web-2"}
        old = await h.halted()
        waves = {job.server: job.wave for job in await h.jobs(old)}
        assert waves == {f"web-{n}": n for n in (1, 2, 3, 4)}
        h.town.bad = set()
        outcome = await h.apply(resume=old[:6])
        run = await h.run_of(outcome.report)
        before = await h.rooms.store.runs.get(old)
        assert before is not None
        assert (run.resumes, run.plan_digest) == (old, before.plan_digest)
        assert {job.server: job.wave for job in await h.jobs(run.id)} == {
            f"web-{n}": n for n in (2, 3, 4)
        }
        assert [(c.server, c.wave) for c in outcome.plan.changes] == [
            (f"web-{n}", n) for n in (2, 3, 4)
        ]


async def test_only_what_failed_is_tried_again_when_so_asked(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=4)
        h.town.bad = {"web-2"}
        run = await h.halted()
        h.town.bad = set()
        assert await h.resume(run, failed_only=True) == on(2)
        with pytest.raises(RefusedError, match="nothing of it failed"):
            await h.resume(run, failed_only=True)
        assert await h.resume(run) == on(3, 4)


async def test_what_halts_again_can_be_gone_on_with_again(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=5)
        h.town.bad = {"web-2", "web-4"}
        first = await h.halted()
        h.town.bad = {"web-4"}
        second = await h.halted(resume=first)
        assert h.town.worked == on(1, 2, 2, 3, 4)
        h.town.bad = set()
        assert await h.resume(second) == on(4, 5)
        for run in (first, second):
            with pytest.raises(RefusedError, match="nothing of it is left"):
                await h.resume(run)


async def test_nothing_is_gone_on_with_once_it_is_wanted_otherwise(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=3)
        h.town.bad = {"web-1"}
        run = await h.halted()
        h.declare(rollout(n=2))
        with pytest.raises(StalePlanError, match="web-1 was wanted as") as stale:
            await h.resume(run)
        assert of_error(stale.value) is ExitCode.REFUSED
        assert h.town.worked == on(1)


async def test_a_server_that_does_not_answer_hides_no_changed_input(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        offline = ", when_offline: fail"
        h.declare(rollout(more=offline), servers=2)
        await h.apply()
        h.declare(rollout(n=2, more=offline))
        h.town.fleet.lay_down("web-1", Unreachable.TCP)
        run = await h.halted()
        h.declare(rollout(n=3, more=offline))
        with pytest.raises(StalePlanError):
            await h.resume(run)
        assert h.town.worked == on(1, 2)


async def test_what_went_back_to_what_is_in_force_is_wanted_otherwise_too(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=3)
        await h.apply()
        h.declare(rollout(n=2))
        h.town.bad = {"web-1"}
        run = await h.halted()
        h.declare(rollout())
        with pytest.raises(StalePlanError):
            await h.resume(run)


async def test_what_somebody_else_brought_in_sync_is_not_run_again(tmp_path: Path) -> None:
    town = Town()
    async with house(tmp_path / "one", town) as h, house(tmp_path / "two", town) as other:
        for each in (h, other):
            each.declare(rollout(), servers=2)
        town.bad = {"web-1"}
        run = await h.halted()
        town.bad = set()
        await other.controller.run(RunRequest(target="t", on="web-1"))
        assert town.worked == on(1, 1)
        assert await h.resume(run) == on(2)


async def test_an_undo_that_failed_is_gone_on_with_although_its_target_is_gone(
    tmp_path: Path,
) -> None:
    tasks = "tasks: {work: {run: work}, undo: {run: undo}}\n"
    async with house(tmp_path) as h:
        h.declare(tasks + "targets: {t: {servers: all, task: work, on_remove: {run: undo}}}", 1)
        await h.apply()
        h.declare(tasks + "targets: {other: {servers: all, task: work}}")
        h.town.bad = {"web-1"}
        report = (await h.apply(overrides={"budget-removals": "moved away"})).report
        assert report.run is not None
        h.town.bad = set()
        assert ("t", "web-1") in await h.resume(report.run.id)
        assert h.town.markers("web-1") == {"other"}
        assert ("t", "web-1") not in await h.records()


async def test_healing_goes_on_where_drift_was_to_be_repaired(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(check=", check: look"), servers=3)
        await h.apply()
        h.town.fleet.probes = lambda _server, _spec: Probed(exit_code=1, output=b"")
        h.town.bad = {"web-1"}
        run = await h.halted(heal=True)
        h.town.bad = set()
        assert await h.resume(run) == on(1, 2, 3)


async def test_what_a_person_ran_by_hand_goes_on_in_sync_or_not(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=3)
        await h.apply()
        h.town.bad = {"web-1"}
        report = await h.controller.run(RunRequest(target="t"))
        assert report.halted
        assert report.run is not None
        h.town.bad = set()
        assert await h.resume(report.run.id) == on(1, 2, 3)


async def test_a_target_that_was_renamed_meanwhile_goes_on_under_its_new_name(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=2)
        h.town.bad = {"web-1"}
        run = await h.halted()
        h.town.bad = set()
        h.declare(rollout(more=", was: t").replace("  t:", "  u:"))
        assert await h.resume(run) == on(1, 2, target="u")
        assert h.town.markers("web-1") == {"u"}
        assert (await h.plan()).changes == ()


async def test_other_targets_of_the_same_servers_are_left_alone_and_not_shown(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=2)
        h.town.bad = {"web-1"}
        run = await h.halted()
        h.town.bad = set()
        h.declare(rollout() + "  other: {servers: all, task: work}\n")
        outcome = await h.apply(resume=run, failed_only=True)
        assert [(c.target, c.server, c.action) for c in outcome.plan.changes] == [
            ("t", "web-1", Action.ADD)
        ]
        assert outcome.plan.summary.servers == 1
        assert h.town.worked == on(1, 1)


async def test_what_was_approved_stays_approved_and_nothing_else_is(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(more=", approval: {required: 1}"), servers=3)
        await h.controller.approve("t", confirm=lambda _: True)
        h.town.bad = {"web-2"}
        run = await h.halted()
        h.town.bad = set()
        assert await h.resume(run, failed_only=True) == on(2)
        assert await h.resume(run) == on(3)
        h.declare(rollout(n=2, more=", approval: {required: 1}"))
        await h.apply()
        assert h.town.worked == on(1, 2, 2, 3)


async def test_a_target_that_was_switched_off_meanwhile_is_not_gone_on_with(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=3)
        h.town.bad = {"web-1"}
        run = await h.halted()
        h.town.bad = set()
        await h.controller.suspend("t", reason="audit")
        assert await h.resume(run) == []
        await h.controller.resume("t")
        assert await h.resume(run) == on(1, 2, 3)


async def test_a_run_that_nobody_knows_is_not_found(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(rollout(), servers=2)
        await h.apply()
        await h.controller.run(RunRequest(target="t"))
        with pytest.raises(NotFoundError, match="no run of that id"):
            await h.apply(resume="nosuchrun")
        with pytest.raises(NotFoundError, match="2 runs of that id"):
            await h.apply(resume="")


def job(state: State, reason: str | None = None, *, begun: bool = False) -> Job:
    attempts = (Attempt(id=AttemptId("a"), number=1),) if begun else ()
    return Job(
        id=JobId("j"),
        run=RunId("r"),
        target="t",
        task="work",
        server="web-1",
        state=state,
        trigger=Trigger.INPUTS,
        digest=Digest("d"),
        reason=reason,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        steps=(StepRun(name="one", attempts=attempts),),
    )


@pytest.mark.parametrize(
    ("one", "left", "failed"),
    [
        (job(State.SUCCEEDED, begun=True), False, False),
        (job(State.LOST, "Unreachable", begun=True), False, False),
        (job(State.FAILED, begun=True), True, True),
        (job(State.FAILED, "cannot run as root: the login deploy is not root"), True, True),
        (job(State.TIMED_OUT, begun=True), True, True),
        (job(State.INTERRUPTED, begun=True), True, True),
        (job(State.CANCELLED, begun=True), True, True),
        (job(State.CANCELLED), True, False),
        (job(State.SKIPPED, "Halted"), True, False),
        (job(State.SKIPPED, "DependencyFailed"), True, False),
        (job(State.SKIPPED, "BudgetExhausted"), True, False),
        (job(State.SKIPPED, "Unreachable"), True, True),
        (job(State.FAILED, "Unreachable"), True, True),
        (job(State.SKIPPED, "stale"), True, False),
    ],
)
def test_how_a_job_ended_says_whether_it_is_left_and_whether_it_failed(
    one: Job, left: bool, failed: bool
) -> None:
    assert is_left(one, failed_only=False) is left
    assert is_left(one, failed_only=True) is failed
    if left:
        assert did_fail(one) is failed
