"""Leading jobs: what is kept open, waited for and given up between them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.errors import StateError
from controller.jobs import conductor
from controller.jobs.reasons import HALTED
from controller.model.ids import RunId
from controller.model.job import Event, Job, JobBody, Run, State
from controller.model.rollout import Order
from controller.store.memory import MemoryJobs, MemoryRuns, MemoryStore
from tests.fakes.fleet import Program
from tests.fakes.jumping_clock import JumpingClock
from tests.jobs.rig import Rig

RUN = RunId("run1")


def opened(rig: Rig) -> Counter[str]:
    """Count from now on how often each server is dialled."""
    dialled: Counter[str] = Counter()

    def count(server: str, what: str, _before: bool) -> None:
        dialled[server] += what == "open"

    rig.fleet.disturb = count
    return dialled


async def drive(
    rig: Rig, *jobs: tuple[Job, JobBody], parallel: int = 50, **orders: Order
) -> tuple[Job, ...]:
    run = Run(id=RUN, actor="t", created_at=rig.clock.now(), orders=orders)
    engine = rig.engine()
    await engine.submit(run, jobs)
    return (await engine.drive(RUN, parallel=parallel)).jobs


async def test_the_jobs_of_a_server_share_one_session_and_leave_none_behind() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    dialled = opened(rig)
    jobs = [rig.job(server=f"web-{n}", target=t) for n in range(3) for t in ("a", "b", "c")]
    await drive(rig, *jobs, parallel=1)
    assert set(dialled.values()) == {1}
    assert not any(machine.sessions for machine in rig.fleet.machines.values())


async def test_no_more_idle_ways_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "KEPT", 4)
    most = 0

    def look(_server: str, _what: str, _before: bool) -> None:
        nonlocal most
        most = max(most, sum(len(machine.sessions) for machine in rig.fleet.machines.values()))

    rig = Rig(lambda _s, _p: Program(seconds=5))
    rig.fleet.disturb = look
    jobs = [rig.job(server=f"web-{n}", target=t) for n in range(30) for t in ("a", "b")]
    assert {job.state for job in await drive(rig, *jobs, parallel=2)} == {State.SUCCEEDED}
    assert 4 <= most <= 6


class WrongClock(JumpingClock):
    """A clock that somebody sets back; who sleeps sleeps as long as before."""

    wrong = timedelta()

    def now(self) -> datetime:
        return super().now() + self.wrong


async def test_a_clock_that_is_set_back_does_not_make_a_pause_longer() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    rig.clock = rig.fleet.clock = clock = WrongClock()
    first, second = rig.job(server="web-1"), rig.job(server="web-2")
    later = replace(second[0], wave=2), second[1]
    driving = asyncio.create_task(drive(rig, first, later, shop=Order(pause=100.0)))
    await clock.sleep(50)
    clock.wrong = -timedelta(days=1)
    await clock.sleep(200)
    assert driving.done()
    assert {job.state for job in await driving} == {State.SUCCEEDED}


async def test_a_state_that_cannot_be_written_while_jobs_are_skipped_stops_everything() -> None:
    class Full(MemoryJobs):
        async def append(self, job: Job, events: Sequence[Event]) -> None:
            if job.reason == HALTED:
                raise StateError("cannot write: no space left")
            await super().append(job, events)

    store = MemoryStore()
    store.jobs = Full()
    store.runs = MemoryRuns(store.jobs)
    rig = Rig(lambda _s, _p: Program(exit_code=1), store=store)
    first, second = rig.job(server="web-1"), rig.job(server="web-2")
    later = replace(second[0], wave=2), second[1]
    with pytest.raises(StateError, match="no space left"):
        await drive(rig, first, later, shop=Order(max_failures=0))
    assert len(rig.fleet.starts) == 1


async def test_a_halt_that_cannot_be_written_down_skips_nothing() -> None:
    class Full(MemoryRuns):
        async def finish(self, run: Run) -> None:
            raise StateError("cannot write: no space left")

    store = MemoryStore()
    store.runs = Full(store.jobs)
    rig = Rig(lambda _s, _p: Program(exit_code=1), store=store)
    first, second = rig.job(server="web-1"), rig.job(server="web-2")
    later = replace(second[0], wave=2), second[1]
    with pytest.raises(StateError, match="no space left"):
        await drive(rig, first, later, shop=Order(max_failures=0))
    states = [job.state for job in await store.jobs.list(run=RUN)]
    assert sorted(states) == [State.FAILED, State.PENDING]
