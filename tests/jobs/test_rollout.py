"""Runs with orders through the real engine, on a simulated fleet."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from controller.jobs.board import Board
from controller.jobs.engine import Engine
from controller.jobs.job import UNREACHABLE
from controller.jobs.marker import marker_digest
from controller.jobs.reasons import BUDGET_EXHAUSTED, DEPENDENCY_FAILED, HALTED, UNHEALTHY
from controller.jobs.report import RunReport
from controller.jobs.tally import Fate, fate_of
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State
from controller.model.rollout import GroupBudget, Order, WhenOffline
from controller.model.work import StepKind
from controller.store.ports import Store
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.fakes.rollouts import Moment, Scenario, What, check_laws, scenarios
from tests.jobs.crashing import CrashingStore, Fuse
from tests.jobs.rig import Rig, step
from tests.jobs.test_crashes import survive

RUN = RunId("run1")


class Fleet(Rig):
    """A rig whose servers do what a scenario says."""

    def __init__(self, scenario: Scenario, store: Store | None = None) -> None:
        super().__init__(self._behave, store=store)
        self.scenario = scenario
        self.broken = True
        self.made: dict[tuple[str | None, str], tuple[Job, JobBody]] = {}
        for each in scenario.jobs:
            width = scenario.widths.get(each.server, 1)
            job, body = self.job(server=each.server, target=each.target, concurrency=width)
            self.made[each.target, each.server] = replace(job, wave=each.wave), body
        self.planned = {(each.target, each.server): each for each in scenario.jobs}

    def _behave(self, server: str, spec: AttemptSpec) -> Program:
        each = self.planned[spec.env["CTL_TARGET"], server]
        failing = self.broken and self.scenario.fates[each.id] is not Fate.GOOD
        return Program(seconds=self.scenario.seconds[each.id], exit_code=int(failing))

    async def submit_all(self) -> Engine:
        engine = self.engine()
        run = Run(
            id=RUN,
            actor="tester@laptop",
            created_at=self.clock.now(),
            orders=self.scenario.orders,
            budgets=self.scenario.budgets,
        )
        await engine.submit(run, list(self.made.values()))
        return engine

    async def carry_out(self) -> RunReport:
        engine = await self.submit_all()
        return await engine.drive(RUN, parallel=self.scenario.parallel)

    async def recorded(self) -> Run:
        run = await self.store.runs.get(RUN)
        assert run is not None
        return run

    async def jobs(self, run: RunId | None = RUN) -> tuple[Job, ...]:
        return await self.store.jobs.list(run=run, limit=1000)


def witness(fleet: Fleet, story: list[Moment]) -> type[Board]:
    """Make a kind of board that writes down what happens to the jobs on it."""

    def tell(what: What, job: Job) -> None:
        planned = fleet.planned[job.target, job.server]
        fate = fate_of(job) or Fate.LEFT
        moment = Moment(at=fleet.clock.now(), what=what, job=planned, fate=fate)
        story.append(replace(moment, reason=job.reason or ""))

    class Witness(Board):
        def begin(self, id_: JobId) -> Job:
            tell(What.START, job := super().begin(id_))
            return job

        def end(self, job: Job, at: datetime) -> None:
            super().end(job, at)
            tell(What.END, job)

        def skip(self, job: Job, at: datetime) -> None:
            super().skip(job, at)
            tell(What.SKIP, job)

    return Witness


def on_servers(scenario: Scenario) -> Scenario:
    """Let a server be reached by all its jobs or by none; what else goes wrong is a step that fails."""
    away = {j.server for j in scenario.jobs if scenario.fates[j.id] is Fate.UNREACHABLE}
    fates = {
        j.id: Fate.UNREACHABLE
        if j.server in away
        else Fate.GOOD
        if scenario.fates[j.id] is Fate.GOOD
        else Fate.FAILED
        for j in scenario.jobs
    }
    return replace(scenario, fates=fates)


@given(scenarios(), st.sampled_from(WhenOffline))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_laws_hold_for_what_the_engine_records(
    drawn: Scenario, when: WhenOffline
) -> None:
    orders = {name: replace(order, when_offline=when) for name, order in drawn.orders.items()}
    scenario = on_servers(replace(drawn, orders=orders))
    fleet = Fleet(scenario)
    for each in scenario.jobs:
        if scenario.fates[each.id] is Fate.UNREACHABLE:
            fleet.fleet.lay_down(each.server)
    story: list[Moment] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("controller.jobs.driving.Board", witness(fleet, story))
        report = await fleet.carry_out()
    check_laws(scenario, story)
    assert set(fleet.fleet.starts.values()) <= {1}
    assert (await fleet.recorded()).halted == report.halted
    assert all(job.state.ended or job.reason == UNREACHABLE for job in report.jobs)


@given(scenarios())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_what_is_left_of_a_run_is_what_did_not_succeed_and_doing_it_converges(
    scenario: Scenario,
) -> None:
    fleet = Fleet(scenario)
    await fleet.carry_out()
    first = await fleet.jobs()
    good = {job.id for job in first if job.state is State.SUCCEEDED}
    before = dict(fleet.fleet.starts)
    fleet.broken = False
    engine = fleet.engine()
    left = [again(fleet, job) for job in first if job.id not in good]
    run = Run(id=RunId("run2"), actor="tester@laptop", created_at=fleet.clock.now(), resumes=RUN)
    await engine.submit(run, left)
    report = await engine.drive(run.id)
    assert {job.state for job in report.jobs} <= {State.SUCCEEDED}
    assert len(fleet.fleet.starts) - len(before) == len(left)
    markers = [fleet.marker(job.server, job.target or "") for job in first]
    assert all(marker is not None and marker.tried is None for marker in markers)


def again(fleet: Fleet, job: Job) -> tuple[Job, JobBody]:
    """Plan what is left of a job once more, on the marker that is there now."""
    made, body = fleet.job(server=job.server, target=job.target)
    marker = fleet.fleet.machine(job.server).markers.get(("main", job.target or ""))
    expect = None if marker is None else marker_digest(marker)
    return replace(made, run=RunId("run2")), replace(body, expect=expect)


def rollout(
    *sizes: int,
    bad: Mapping[str, Fate] | None = None,
    order: Order | None = None,
    budgets: tuple[GroupBudget, ...] = (),
) -> Scenario:
    """Waves of these sizes of one target; servers are counted through from web-0."""
    numbered = enumerate(wave for wave, size in enumerate(sizes, start=1) for _ in range(size))
    jobs = tuple(planned("shop", f"web-{number}", wave) for number, wave in numbered)
    return Scenario(
        jobs=jobs,
        orders={"shop": order or Order(max_failures=0)},
        budgets=budgets,
        fates={each.id: (bad or {}).get(each.server, Fate.GOOD) for each in jobs},
        seconds={each.id: 10.0 for each in jobs},
    )


def planned(target: str, server: str, wave: int = 1) -> Job:
    job, _ = Rig().job(server=server, target=target)
    return replace(job, id=JobId(f"{target}-{server}"), wave=wave)


async def test_a_failed_canary_halts_the_target_and_the_run_says_why() -> None:
    fleet = Fleet(rollout(1, 4, 5, bad={"web-0": Fate.FAILED}))
    report = await fleet.carry_out()
    assert len(fleet.fleet.starts) == 1
    assert (report.counts.failed, report.counts.skipped, report.counts.refused) == (1, 9, 0)
    assert {job.reason for job in report.jobs[1:]} == {HALTED}
    run = await fleet.recorded()
    assert report.halted == {"shop": "1 failed, 0 unreachable, 0 unhealthy of at most 0"}
    assert run.halted == report.halted
    assert run.finished_at is not None
    assert fleet.activity.events().count("rollout-halted") == 1
    assert fleet.activity.events().count("jobs-skipping") == 1


async def test_a_halt_is_recorded_before_what_it_skips() -> None:
    seen: list[tuple[Mapping[str, str], int]] = []
    fleet = Fleet(rollout(1, 2, bad={"web-0": Fate.FAILED}))
    engine = await fleet.submit_all()
    finish = fleet.store.runs.finish

    async def finishing(run: Run) -> None:
        skipped = sum(job.state is State.SKIPPED for job in await fleet.jobs())
        seen.append((run.halted, skipped))
        await finish(run)

    fleet.store.runs.finish = finishing  # type: ignore[method-assign]
    await engine.drive(RUN)
    assert [(set(halted), skipped) for halted, skipped in seen] == [({"shop"}, 0), ({"shop"}, 2)]


async def test_the_last_word_of_a_halt_counts_all_that_went_wrong() -> None:
    scenario = rollout(3, 2, bad=dict.fromkeys(("web-0", "web-1", "web-2"), Fate.FAILED))
    slow = {each.id: 10.0 + number for number, each in enumerate(scenario.jobs)}
    fleet = Fleet(replace(scenario, seconds=slow))
    report = await fleet.carry_out()
    assert report.halted == {"shop": "3 failed, 0 unreachable, 0 unhealthy of at most 0"}
    assert fleet.activity.events().count("rollout-halted") == 1


async def test_a_failure_that_was_allowed_does_not_halt() -> None:
    scenario = rollout(1, 2, bad={"web-0": Fate.FAILED}, order=Order(max_failures=1))
    report = await Fleet(scenario).carry_out()
    assert (report.counts.succeeded, report.counts.failed, report.halted) == (2, 1, {})


async def test_an_unhealthy_canary_halts_and_is_counted_apart() -> None:
    rig = Rig(lambda _s, spec: Program(exit_code=int(spec.text == b"_health")))
    steps = (step("one"), step("_health", "one", kind=StepKind.HEALTH))
    first, second = rig.job(steps), rig.job(steps, server="web-2")
    later = replace(second[0], wave=2), second[1]
    order = Order(max_failures=0)
    run = Run(id=RUN, actor="t", created_at=rig.clock.now(), orders={"shop": order})
    engine = rig.engine()
    await engine.submit(run, [first, later])
    report = await engine.drive(RUN)
    assert report.halted == {"shop": "0 failed, 0 unreachable, 1 unhealthy of at most 0"}
    assert (report.counts.failed, report.counts.unhealthy) == (1, 1)
    assert [job.reason for job in report.jobs] == [UNHEALTHY, HALTED]


async def test_a_pause_is_waited_for_between_waves() -> None:
    fleet = Fleet(rollout(1, 1, order=Order(max_failures=0, pause=600.0)))
    await fleet.carry_out()
    runs = [run for machine in fleet.fleet.machines.values() for run in machine.runs.values()]
    first, second = sorted(run.began for run in runs)
    assert 610 <= (second - first).total_seconds() < 630


async def test_a_clock_that_is_set_back_makes_no_pause_longer() -> None:
    fleet = Fleet(rollout(1, 1, order=Order(max_failures=0, pause=600.0)))
    engine = await fleet.submit_all()
    assert (await engine.drive(RUN, within=100)).waiting
    fleet.clock.set(fleet.clock.now() - timedelta(days=1))
    began = fleet.clock.now()
    report = await fleet.engine().drive(RUN)
    assert report.counts.succeeded == 2
    assert 600 <= (fleet.clock.now() - began).total_seconds() < 700


async def offline(when: WhenOffline, *, limit: int | None) -> tuple[RunReport, Fleet]:
    """Carry out a canary that is not reached, and two servers after it."""
    fleet = Fleet(rollout(1, 2, order=Order(when_offline=when, max_failures=limit)))
    fleet.fleet.lay_down("web-0")
    return await fleet.carry_out(), fleet


async def test_a_queued_job_of_a_server_that_is_not_reached_stays_pending_and_its_wave_is_over() -> (
    None
):
    report, fleet = await offline(WhenOffline.QUEUE, limit=1)
    states = [(job.state, job.reason) for job in report.jobs]
    assert states == [(State.PENDING, UNREACHABLE), *[(State.SUCCEEDED, None)] * 2]
    assert (report.counts.unreachable, report.counts.succeeded) == (1, 2)
    assert (await fleet.recorded()).finished_at is None


async def test_skip_and_fail_end_the_job_of_a_server_that_is_not_reached() -> None:
    for when, state in ((WhenOffline.SKIP, State.SKIPPED), (WhenOffline.FAIL, State.FAILED)):
        report, fleet = await offline(when, limit=1)
        assert (report.jobs[0].state, report.jobs[0].reason) == (state, UNREACHABLE)
        assert (report.counts.unreachable, report.counts.refused) == (1, 0)
        assert report.counts.failed == 0
        assert (await fleet.recorded()).finished_at is not None


async def test_a_server_that_is_not_reached_counts_towards_the_halt_whatever_becomes_of_its_job() -> (
    None
):
    for when in WhenOffline:
        report, fleet = await offline(when, limit=0)
        assert report.halted == {"shop": "0 failed, 1 unreachable, 0 unhealthy of at most 0"}
        assert (await fleet.recorded()).halted == report.halted
        assert not fleet.fleet.starts
        assert report.counts.unreachable == 1


async def test_a_job_that_waits_for_its_server_in_a_halted_rollout_is_not_planned_anew_by_itself() -> (
    None
):
    _, fleet = await offline(WhenOffline.QUEUE, limit=0)
    (job,) = (await fleet.engine().settle()).jobs
    assert (job.state, job.reason) == (State.SKIPPED, UNREACHABLE)
    run = await fleet.recorded()
    assert run.finished_at is not None
    assert run.halted == {"shop": "0 failed, 1 unreachable, 0 unhealthy of at most 0"}


async def test_what_comes_after_a_target_that_failed_is_skipped() -> None:
    scenario = rollout(1, bad={"web-0": Fate.FAILED})
    after = planned("zebra", "web-5")
    fleet = Fleet(
        replace(
            scenario,
            jobs=(*scenario.jobs, after),
            orders={**scenario.orders, "zebra": Order(after=("shop",))},
            fates={**scenario.fates, after.id: Fate.GOOD},
            seconds={**scenario.seconds, after.id: 1.0},
        )
    )
    report = await fleet.carry_out()
    assert [job.reason for job in report.jobs if job.target == "zebra"] == [DEPENDENCY_FAILED]
    assert len(fleet.fleet.starts) == 1


async def test_two_runs_of_one_engine_keep_the_budget_together() -> None:
    group = GroupBudget(group="web", servers=frozenset(f"web-{n}" for n in range(12)), limit=2)
    fleet = Fleet(rollout(6, order=Order(), budgets=(group,)))
    fleet.planned |= {("api", f"web-{n + 6}"): fleet.planned["shop", f"web-{n}"] for n in range(6)}
    most = 0

    def look(_server: str, _what: str, _before: bool) -> None:
        nonlocal most
        now = fleet.clock.now()
        busy = [
            m for m in fleet.fleet.machines.values() if any(r.ends > now for r in m.runs.values())
        ]
        most = max(most, len(busy))

    fleet.fleet.disturb = look
    engine = await fleet.submit_all()
    second = Run(
        id=RunId("run2"), actor="t", created_at=fleet.clock.now(), budgets=fleet.scenario.budgets
    )
    others = [fleet.job(server=f"web-{n + 6}", target="api") for n in range(6)]
    await engine.submit(second, [(replace(j, run=second.id), b) for j, b in others])
    reports = await asyncio.gather(engine.drive(RUN), engine.drive(second.id))
    assert [report.counts.succeeded for report in reports] == [6, 6]
    assert most == 2


async def test_a_group_that_has_no_server_to_spare_leaves_the_rest_with_that_reason() -> None:
    group = GroupBudget(group="web", servers=frozenset({"web-0", "web-1"}), limit=1)
    scenario = rollout(2, bad={"web-0": Fate.FAILED}, order=Order(), budgets=(group,))
    report = await Fleet(scenario).carry_out()
    assert [job.reason for job in report.jobs][1:] == [BUDGET_EXHAUSTED]
    assert (report.counts.failed, report.counts.refused) == (1, 1)


async def test_waiting_ends_in_a_pause_and_the_waves_that_did_not_begin_are_planned_anew() -> None:
    fleet = Fleet(rollout(1, 2, order=Order(max_failures=0, pause=600.0)))
    engine = await fleet.submit_all()
    report = await engine.drive(RUN, within=100)
    assert report.waiting
    settled = await fleet.engine().settle()
    assert [job.state for job in settled.jobs] == [State.CANCELLED] * 2
    assert len(fleet.fleet.starts) == 1


async def test_a_canary_that_is_still_at_work_when_taken_up_decides_what_becomes_of_the_rest() -> (
    None
):
    scenario = rollout(1, 2, bad={"web-0": Fate.FAILED})
    fleet = Fleet(replace(scenario, seconds={each.id: 500.0 for each in scenario.jobs}))
    engine = await fleet.submit_all()
    assert (await engine.drive(RUN, within=100)).waiting
    settled = await fleet.engine().settle(within=100)
    assert settled.waiting
    assert [job.state for job in settled.jobs] == [State.RUNNING, State.PENDING, State.PENDING]
    settled = await fleet.engine().settle()
    assert [job.reason for job in settled.jobs][1:] == [HALTED] * 2
    assert set((await fleet.recorded()).halted) == {"shop"}
    assert len(fleet.fleet.starts) == 1


async def test_a_person_halts_a_run_between_waves() -> None:
    fleet = Fleet(rollout(1, 2, order=Order(max_failures=0, pause=600.0)))
    engine = await fleet.submit_all()
    driving = asyncio.create_task(engine.drive(RUN))
    await fleet.clock.sleep(100)
    engine.halt()
    report = await driving
    assert report.waiting
    assert report.halted == {}
    assert [job.state for job in report.jobs] == [State.SUCCEEDED, State.PENDING, State.PENDING]


async def test_a_job_of_a_later_wave_can_be_stopped_before_its_turn() -> None:
    fleet = Fleet(rollout(1, 2, order=Order(max_failures=0, pause=600.0)))
    engine = await fleet.submit_all()
    driving = asyncio.create_task(engine.drive(RUN))
    await fleet.clock.sleep(100)
    await fleet.store.jobs.request_stop((await fleet.jobs())[0].id)
    report = await driving
    assert report.counts.cancelled == 1
    assert report.counts.succeeded == 2


async def kill(scenario: Scenario, at: int, *, after: bool) -> tuple[Fleet, bool]:
    """Carry out a run whose controller dies at a write; let the next one settle what it finds."""
    store = CrashingStore()
    fleet = Fleet(scenario, store)

    def bang() -> None:
        for each in scenario.jobs:
            fleet.fleet.cut(each.server)

    store.fuse = Fuse(at, after=after, bang=bang)
    survived = await survive(fleet, fleet.carry_out)
    store.fuse = Fuse()
    await fleet.engine().settle()
    return fleet, survived


async def test_a_controller_killed_at_any_write_of_a_halting_rollout_lets_nothing_more_start() -> (
    None
):
    scenario = rollout(1, 2, 2, bad={"web-0": Fate.FAILED})
    at, survived = 0, False
    while not survived:
        at += 1
        for after in (False, True):
            fleet, survived = await kill(scenario, at, after=after)
            assert set(fleet.fleet.starts.values()) <= {1}
            jobs = await fleet.jobs()
            assert all(job.state.ended for job in jobs)
            begun = {job.server for job in jobs if any(step.attempts for step in job.steps)}
            assert begun <= {"web-0"}
            failed = any(job.state is State.FAILED for job in jobs)
            run = await fleet.store.runs.get(RUN)
            assert failed == bool(run and run.halted), (at, after)
            if failed:
                assert sum(job.reason == HALTED for job in jobs) == 4
            assert run is None or run.finished_at is not None
    assert at > 15


@given(st.integers(1, 70), st.booleans())
@settings(max_examples=40, deadline=None)
async def test_after_a_kill_anywhere_what_is_left_converges_and_nothing_good_is_repeated(
    at: int, after: bool
) -> None:
    scenario = rollout(1, 2, 2)
    fleet, _ = await kill(scenario, at, after=after)
    jobs = await fleet.jobs()
    good = {job.server for job in jobs if job.state is State.SUCCEEDED}
    if not jobs:
        return  # the run was never recorded
    engine = fleet.engine()
    left = [again(fleet, job) for job in jobs if job.server not in good]
    run = replace(await fleet.recorded(), id=RunId("run2"), halted={}, finished_at=None)
    if left:
        await engine.submit(run, left)
        report = await engine.drive(run.id)
        assert {job.state for job in report.jobs} == {State.SUCCEEDED}
    assert len(fleet.fleet.starts) == 5
    assert set(fleet.fleet.starts.values()) == {1}
