import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import NeedsAgentError, NotFoundError, RefusedError, TransportError
from controller.jobs.ledger import fold
from controller.jobs.machine import Signal
from controller.jobs.outcome import ended
from controller.jobs.pace import GUARD, pace
from controller.jobs.reasons import WAITING_FOR_WORKER
from controller.model.ids import AttemptId, JobId, RunId
from controller.model.job import Job, State, StepRun
from controller.model.task import Retry
from controller.model.wishes import Hold, Wishes
from controller.model.work import StepWork
from controller.transport.port import AttemptSpec, AttemptStatus, Ending, Offer, Phase
from tests.fakes.fleet import Behaviour, Program
from tests.jobs.rig import Rig, chain, step

LONG = Program(seconds=1000)


def able(behaviour: Behaviour = lambda _s, _p: LONG) -> Rig:
    """A rig whose servers have agents."""
    rig = Rig(behaviour)
    rig.fleet.offers = frozenset({Offer.PAUSE, Offer.INPUT})
    return rig


@asynccontextmanager
async def driven(rig: Rig, *steps: StepWork) -> AsyncIterator[tuple[JobId, "asyncio.Task[object]"]]:
    """A job that another process drives, and that has run for ten seconds."""
    recorded, body = rig.job(steps or chain("a", "b"))
    engine = await rig.submit((recorded, body))
    task: asyncio.Task[object] = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    try:
        yield recorded.id, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stored(rig: Rig, id_: JobId) -> Job:
    job = await rig.store.jobs.get(id_)
    assert job is not None
    return job


def states(job: Job) -> list[State]:
    return [job.state, *(run.state for run in job.steps)]


async def test_a_paused_job_stands_still_until_it_is_resumed_and_loses_no_time() -> None:
    rig = able()
    async with driven(rig, *chain("a")) as (id_, task):
        paused = await rig.engine().holding.pause(id_, alone=False)
        assert states(paused) == [State.PAUSED, State.PAUSED]
        assert paused.steps[0].attempts[0].state is State.PAUSED
        await rig.clock.sleep(5000)
        resumed = await rig.engine().holding.resume(id_, alone=False)
        assert states(resumed) == [State.RUNNING, State.RUNNING]
        await task
    job = await stored(rig, id_)
    assert job.state is State.SUCCEEDED
    assert 5000 <= job.paused < 5010
    assert (rig.clock.now() - (job.started_at or rig.clock.now())).total_seconds() >= 6000
    assert len(rig.fleet.starts) == 1
    assert [e for e in rig.activity.events() if "paus" in e or "resum" in e] == [
        "job-pausing", "job-paused", "job-resuming", "job-resumed",
    ]  # fmt: skip


async def test_the_ledger_alone_gives_the_same_job() -> None:
    rig = able()
    recorded, body = rig.job(chain("a"))
    engine = await rig.submit((recorded, body))
    task = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    await rig.engine().holding.pause(recorded.id, seconds=60, alone=False)
    await task
    job = await stored(rig, recorded.id)
    events = await rig.store.jobs.events(recorded.id)
    assert fold(replace(recorded, wishes=job.wishes), events).job == job
    assert 50 <= job.paused <= 70
    assert [e.state for e in events if e.step is None] == [
        State.DISPATCHED, State.RUNNING, State.PAUSED, State.RUNNING, State.SUCCEEDED,
    ]  # fmt: skip


async def test_a_pause_ends_by_itself_after_its_time() -> None:
    rig = able()
    async with driven(rig, *chain("a", "b")) as (id_, task):
        await rig.engine().holding.pause(id_, seconds=300, alone=False)
        await rig.clock.sleep(310)
        assert states(await stored(rig, id_)) == [State.RUNNING, State.RUNNING, State.PENDING]
        await task
    assert (await stored(rig, id_)).state is State.SUCCEEDED


async def test_the_time_of_the_task_stands_still_while_it_is_held() -> None:
    rig = able(lambda _s, _p: Program(seconds=100))
    recorded, body = rig.job(chain("a", "b"), timeout=250.0)
    engine = await rig.submit((recorded, body))
    task = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    await rig.engine().holding.pause(recorded.id, seconds=3600, alone=False)
    (job,) = (await task).jobs
    assert states(job) == [State.SUCCEEDED] * 3
    second = rig.fleet.machine("web-1").runs[job.steps[1].attempts[0].id]
    assert 100 < second.spec.timeout <= 150


async def test_a_job_nobody_drives_is_paused_and_resumed_all_the_same() -> None:
    rig = able()
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body))
    await engine.drive(RunId("run1"), within=10)
    paused = await rig.engine().holding.pause(job.id, alone=True)
    assert states(paused) == [State.PAUSED, State.PAUSED, State.PENDING]
    resumed = await rig.engine().holding.resume(job.id, alone=True)
    assert states(resumed) == [State.RUNNING, State.RUNNING, State.PENDING]
    await rig.engine().settle()
    assert states(await stored(rig, job.id)) == [State.SUCCEEDED] * 3
    assert all(count == 1 for count in rig.fleet.starts.values())


async def test_a_job_that_was_left_paused_is_taken_up_paused() -> None:
    rig = able()
    job, body = rig.job(chain("a"))
    engine = await rig.submit((job, body))
    await engine.drive(RunId("run1"), within=10)
    await rig.engine().holding.pause(job.id, alone=True)
    report = await rig.engine().settle(within=500)
    assert report.waiting
    assert states(await stored(rig, job.id)) == [State.PAUSED, State.PAUSED]
    settling = asyncio.create_task(rig.engine().settle())
    await rig.clock.sleep(1)
    await rig.engine().holding.resume(job.id, alone=False)
    await settling
    assert states(await stored(rig, job.id)) == [State.SUCCEEDED] * 2


async def test_what_a_server_holds_by_itself_is_shown_as_held() -> None:
    rig = able()
    async with driven(rig, *chain("a")) as (id_, task):
        (attempt,) = (await stored(rig, id_)).steps[0].attempts
        session = await rig.fleet.open((await rig.store.jobs.body(id_)).server)
        await session.pause(attempt.id)
        await rig.clock.sleep(10)
        assert (await stored(rig, id_)).state is State.PAUSED
        await session.resume(attempt.id)
        await task
    assert (await stored(rig, id_)).state is State.SUCCEEDED


async def test_one_step_of_two_is_held_and_the_job_goes_on() -> None:
    rig = able(lambda _s, spec: Program(seconds=1000 if spec.text == b"a" else 100))
    async with driven(rig, step("a"), step("b"), step("c", "b")) as (id_, _task):
        held = await rig.engine().holding.pause(id_, step="a", alone=False)
        assert states(held) == [State.RUNNING, State.PAUSED, State.RUNNING, State.PENDING]
        await rig.clock.sleep(300)
        assert states(await stored(rig, id_)) == [
            State.PAUSED, State.PAUSED, State.SUCCEEDED, State.SUCCEEDED,
        ]  # fmt: skip


async def test_a_held_job_begins_no_further_step() -> None:
    rig = able(lambda _s, spec: Program(seconds=1000 if spec.text == b"a" else 100))
    async with driven(rig, step("a"), step("b"), step("c", "b")) as (id_, task):
        await rig.store.jobs.wish(id_, lambda now: now)
        await rig.engine().holding.pause(id_, alone=False)
        await rig.clock.sleep(3000)
        job = await stored(rig, id_)
        assert states(job) == [State.PAUSED, State.PAUSED, State.PAUSED, State.PENDING]
        await rig.engine().holding.resume(id_, alone=False)
        await task
    assert (await stored(rig, id_)).state is State.SUCCEEDED


def broken(_server: str, _spec: object) -> Program:
    return Program(seconds=1, exit_code=1)


FLAKY = step("a", retry=Retry(limit=2, delay=600))


async def test_a_step_between_two_tries_is_held_before_the_next() -> None:
    rig = able(broken)
    async with driven(rig, FLAKY) as (id_, task):
        held = await rig.engine().holding.pause(id_, alone=False)
        assert states(held) == [State.PAUSED, State.PAUSED]
        await rig.clock.sleep(5000)
        assert len(rig.fleet.starts) == 1
        await rig.engine().holding.resume(id_, alone=False)
        await task
    assert len(rig.fleet.starts) == 3
    assert (await stored(rig, id_)).state is State.FAILED


@pytest.mark.parametrize("what", ["a", None])
async def test_a_step_between_two_tries_is_not_tried_again_once_it_is_stopped(
    what: str | None,
) -> None:
    rig = able(broken)
    async with driven(rig, FLAKY) as (id_, task):
        await rig.engine().stop(id_, step=what, alone=False)
        began = rig.clock.now()
        await task
    assert rig.clock.now() - began < timedelta(seconds=30)
    assert len(rig.fleet.starts) == 1
    assert (await stored(rig, id_)).steps[0].state is State.FAILED


async def test_a_held_step_between_two_tries_can_be_stopped() -> None:
    rig = able(broken)
    async with driven(rig, FLAKY) as (id_, task):
        await rig.engine().holding.pause(id_, alone=False)
        await rig.engine().stop(id_, alone=False)
        await task
    assert (await stored(rig, id_)).state.ended


async def test_a_paused_job_can_be_stopped() -> None:
    rig = able()
    async with driven(rig) as (id_, task):
        await rig.engine().holding.pause(id_, alone=False)
        await rig.engine().stop(id_, alone=False)
        await task
    assert states(await stored(rig, id_)) == [State.CANCELLED, State.CANCELLED, State.SKIPPED]


async def test_a_paused_job_nobody_drives_can_be_stopped() -> None:
    rig = able()
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body))
    await engine.drive(RunId("run1"), within=10)
    await rig.engine().holding.pause(job.id, alone=True)
    stopped = await rig.engine().stop(job.id, alone=True)
    assert states(stopped) == [State.CANCELLED, State.CANCELLED, State.SKIPPED]


async def test_a_job_that_was_held_before_its_first_step_stops_without_it() -> None:
    rig = able()
    async with driven(rig, step("a"), step("b", "a")) as (id_, task):
        await rig.engine().holding.pause(id_, step="b", alone=False)
        await rig.clock.sleep(1100)
        assert states(await stored(rig, id_)) == [State.PAUSED, State.SUCCEEDED, State.PAUSED]
        await rig.engine().stop(id_, alone=False)
        await task
    job = await stored(rig, id_)
    assert states(job) == [State.CANCELLED, State.SUCCEEDED, State.CANCELLED]
    assert len(rig.fleet.starts) == 1


async def test_a_server_without_an_agent_refuses_and_nothing_is_wished() -> None:
    rig = Rig(lambda _s, _p: LONG)
    async with driven(rig) as (id_, _task):
        with pytest.raises(NeedsAgentError, match="without an agent") as told:
            await rig.engine().holding.pause(id_, alone=False)
        assert "ctl agent install --on web-1" in (told.value.hint or "")
        assert (await stored(rig, id_)).wishes.holds == ()


async def test_what_cannot_be_held_is_refused_in_words() -> None:
    rig = able()
    async with driven(rig) as (id_, task):
        holding = rig.engine().holding
        with pytest.raises(NotFoundError, match="step nope"):
            await holding.pause(id_, step="nope", alone=False)
        with pytest.raises(RefusedError, match="it is running"):
            await holding.resume(id_, alone=False)
        with pytest.raises(NotFoundError):
            await holding.pause(JobId("nothing"), alone=False)
        await rig.engine().stop(id_, alone=False)
        await task
        with pytest.raises(RefusedError, match="it is cancelled"):
            await holding.pause(id_, alone=False)
    waiting, body = rig.job(target="other", run="run2")
    await rig.submit((waiting, body), run="run2")
    with pytest.raises(RefusedError, match="it is pending"):
        await rig.engine().holding.pause(waiting.id, alone=True)


async def test_a_server_that_is_not_reached_is_told_and_nothing_is_wished() -> None:
    rig = able()
    async with driven(rig) as (id_, _task):
        rig.fleet.lay_down("web-1")
        with pytest.raises(TransportError):
            await rig.engine().holding.pause(id_, alone=False)
        assert (await stored(rig, id_)).wishes.holds == ()


async def test_a_job_that_waits_for_a_worker_says_so_and_is_held_when_it_begins() -> None:
    rig = able(lambda _s, _p: Program(seconds=1000, waits=60))
    async with driven(rig, *chain("a")) as (id_, task):
        (run,) = (await stored(rig, id_)).steps
        assert (run.state, run.attempts[0].state) == (State.DISPATCHED, State.DISPATCHED)
        assert run.attempts[0].reason == WAITING_FOR_WORKER
        pausing = asyncio.create_task(rig.engine().holding.pause(id_, alone=False))
        await rig.clock.sleep(90)
        await pausing
        assert (await stored(rig, id_)).state is State.PAUSED
        await rig.engine().holding.resume(id_, alone=False)
        await task
    job = await stored(rig, id_)
    assert job.state is State.SUCCEEDED
    assert job.steps[0].attempts[0].reason is None


async def test_a_lost_session_does_not_end_a_pause() -> None:
    rig = able()
    async with driven(rig, *chain("a")) as (id_, task):
        await rig.engine().holding.pause(id_, alone=False)
        rig.fleet.cut("web-1")
        await rig.clock.sleep(100)
        assert (await stored(rig, id_)).state is State.PAUSED
        await rig.engine().holding.resume(id_, alone=False)
        await task
    assert (await stored(rig, id_)).state is State.SUCCEEDED


async def test_a_reboot_ends_a_paused_job_as_interrupted() -> None:
    rig = able()
    async with driven(rig, *chain("a")) as (id_, task):
        await rig.engine().holding.pause(id_, alone=False)
        rig.fleet.reboot("web-1")
        await task
    assert (await stored(rig, id_)).state is State.INTERRUPTED


async def test_a_paused_job_whose_server_falls_silent_is_lost_and_found_again() -> None:
    rig = able()
    async with driven(rig, *chain("a")) as (id_, task):
        await rig.engine().holding.pause(id_, alone=False)
        rig.fleet.lay_down("web-1")
        await task
        assert states(await stored(rig, id_)) == [State.LOST, State.LOST]
        rig.fleet.stand_up("web-1")
        settling = asyncio.create_task(rig.engine().settle())
        await rig.clock.sleep(20)
        job = await stored(rig, id_)
        assert job.steps[0].state is State.PAUSED
        await rig.engine().holding.resume(id_, alone=False)
        await settling
    assert (await stored(rig, id_)).state is State.SUCCEEDED


class Hands:
    """Somebody who holds attempts and lets them go on at any time, on servers that break and reboot now and then."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig
        self._dice = random.Random(seed)  # noqa: S311  # the same each time

    def __call__(self, server: str, what: str, before: bool) -> None:
        machine, now = self._rig.fleet.machine(server), self._rig.clock.now()
        for run in machine.runs.values():
            if run.held is None and self._dice.random() < 0.2:
                run.held, run.goes_on = now, now + timedelta(seconds=self._dice.randint(1, 300))
        if what != "open" and before and self._dice.random() < 0.03:
            self._rig.fleet.cut(server)
        if what != "open" and self._dice.random() < 0.01:
            self._rig.fleet.reboot(server)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
async def test_whoever_holds_what_runs_whenever_nothing_starts_twice_and_the_ledger_stays_true(
    seed: int,
) -> None:
    rig = able(lambda _s, spec: Program(seconds=20 + len(spec.text)))
    rig.fleet.disturb = Hands(rig, seed)
    recorded, body = rig.job((step("a"), step("b"), step("c", "a", "b")))
    engine = await rig.submit((recorded, body))
    await engine.drive(RunId("run1"), within=seed % 200)
    await rig.engine().settle()
    job = await stored(rig, recorded.id)
    events = await rig.store.jobs.events(recorded.id)
    assert job.state.ended
    assert fold(replace(recorded, wishes=job.wishes), events).job == job
    assert set(rig.fleet.starts.values()) <= {1}
    for at in range(len(events)):
        told = fold(recorded, events[: at + 1]).job
        held = [each.name for each in told.steps if each.state is State.PAUSED]
        attempts = [a for each in told.steps for a in each.attempts if a.state is State.PAUSED]
        assert len(attempts) <= len(held)  # a step is ended by the line after that of its attempt
        if told.state is State.PAUSED:
            assert told.paused_at is not None
    assert job.paused_at is None


def test_of_a_step_the_longest_hold_counts_and_those_that_are_over_do_not() -> None:
    now = Rig().clock.now()
    soon, late = now + timedelta(minutes=1), now + timedelta(hours=1)
    wishes = Wishes().with_hold(Hold(until=soon)).with_hold(Hold(step="a", until=late))
    assert wishes.held("a", now) == Hold(step="a", until=late)
    assert wishes.held("b", now) == Hold(until=soon)
    assert wishes.held("b", soon) is None
    for_ever = wishes.with_hold(Hold(step="a"))
    assert for_ever.held("a", late) == Hold(step="a")
    assert len(for_ever.holds) == 2


def test_a_job_is_held_when_one_of_its_steps_is_and_none_runs() -> None:
    job, _ = Rig().job((step("a"), step("b")))

    def told(state: State, *steps: State) -> Signal | None:
        runs = tuple(replace(run, state=each) for run, each in zip(job.steps, steps, strict=True))
        return pace(replace(job, state=state, steps=runs))

    assert told(State.RUNNING, State.PAUSED, State.SUCCEEDED) is Signal.PAUSE
    assert told(State.RUNNING, State.PAUSED, State.RUNNING) is None
    assert told(State.RUNNING, State.PAUSED, State.DISPATCHED) is None
    assert told(State.PAUSED, State.PAUSED, State.PENDING) is None
    assert told(State.PAUSED, State.RUNNING, State.PENDING) is Signal.RESUME
    assert told(State.PAUSED, State.CANCELLED, State.PENDING) is Signal.RESUME
    assert told(State.LOST, State.PAUSED, State.PENDING) is None
    guard = replace(
        job,
        state=State.RUNNING,
        steps=(StepRun(name=GUARD, state=State.RUNNING), StepRun(name="a", state=State.PAUSED)),
    )
    assert pace(guard) is Signal.PAUSE


async def test_an_attempt_that_never_began_there_is_sent_again_under_another_id() -> None:
    sent: list[str] = []

    def lazy(_server: str, spec: AttemptSpec) -> Program:
        sent.append(spec.id)
        ending = Ending.UNSTARTED if len(sent) == 1 else Ending.EXIT
        return Program(seconds=5, ending=ending)

    rig = able(lazy)
    (job,) = await rig.run(rig.job(chain("a")))
    assert job.state is State.SUCCEEDED
    assert [each.rpartition(".")[2] for each in sent] == ["1", "2"]
    assert [each.state for each in job.steps[0].attempts] == [State.CANCELLED, State.SUCCEEDED]


async def test_what_never_begins_is_given_up_after_some_tries() -> None:
    rig = able(lambda _s, _p: Program(seconds=5, ending=Ending.UNSTARTED))
    (job,) = await rig.run(rig.job(chain("a")))
    assert job.state is State.FAILED
    assert job.steps[0].reason == "it was never started"
    assert 1 < len(rig.fleet.starts) < 6


def test_running_out_of_memory_is_named() -> None:
    status = AttemptStatus(
        id=AttemptId("j.a.1"),
        phase=Phase.ENDED,
        ending=Ending.EXIT,
        exit_code=137,
        out_of_memory=True,
    )
    assert "out of memory" in (ended(status, 0).reason or "")


def test_a_new_job_is_held_by_nothing() -> None:
    job, _ = Rig().job((step("a"),))
    assert job.steps == (StepRun(name="a"),)
    assert job.wishes.held("a", job.created_at) is None
