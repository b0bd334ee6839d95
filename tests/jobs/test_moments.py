"""Whoever sends notifications hears of a job and its steps before they begin and after they ended, once each."""

import asyncio
from dataclasses import replace

from controller.jobs.engine import Engine
from controller.jobs.moments import Moment, Moments, Told
from controller.model.ids import RunId
from controller.model.job import State
from controller.model.task import Retry
from controller.transport.port import Offer
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig, chain, step


class Ear:
    """Writes down what it hears, between what the servers hear."""

    def __init__(self, rig: Rig) -> None:
        self.heard: list[str] = []
        self.told: list[Told] = []
        self._rig = rig
        rig.fleet.disturb = self._on_server

    def __call__(self, told: Told) -> None:
        self.told.append(told)
        self.heard.append(f"{told.moment} {told.step or ''}".strip())

    def _on_server(self, _server: str, what: str, before: bool) -> None:
        if before and what in {"claim_target", "start"}:
            self.heard.append(f"({what})")

    def engine(self) -> Engine:
        equipment = self._rig.equipment()
        return Engine(replace(equipment, progress=Moments(equipment.progress, self)))


async def test_before_is_heard_before_the_first_byte_leaves_and_after_when_it_is_durable() -> None:
    rig = Rig()
    ear = Ear(rig)
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body), engine=ear.engine())
    await engine.drive(RunId("run1"))
    assert ear.heard == [
        "before-job", "(claim_target)",
        "before-step a", "(start)", "after-step a",
        "before-step b", "(start)", "after-step b",
        "after-job",
    ]  # fmt: skip
    last = ear.told[-1]
    assert last.job == await rig.store.jobs.get(job.id)
    assert last.event == (await rig.store.jobs.events(job.id))[-1]
    assert rig.watcher.events == list(await rig.store.jobs.events(job.id))


async def test_every_moment_stands_in_the_store_when_it_is_heard() -> None:
    rig = Rig()
    seen: list[bool] = []

    class Checking(Ear):
        def __call__(self, told: Told) -> None:
            events = rig.store.jobs.events(told.job.id)
            try:
                events.send(None)
            except StopIteration as found:
                seen.append(told.event in found.value)

    engine = await rig.submit(rig.job(chain("a")), engine=Checking(rig).engine())
    await engine.drive(RunId("run1"))
    assert seen == [True] * 4


async def test_a_second_try_begins_nothing_and_a_skipped_step_neither_begins_nor_ends() -> None:
    rig = Rig(lambda _s, _p: Program(exit_code=1))
    ear = Ear(rig)
    steps = (step("a", retry=Retry(limit=2)), step("b", "a"))
    engine = await rig.submit(rig.job(steps), engine=ear.engine())
    await engine.drive(RunId("run1"))
    assert [word for word in ear.heard if word[0] != "("] == [
        "before-job", "before-step a", "after-step a", "after-job",
    ]  # fmt: skip
    assert ear.told[-1].job.state is State.FAILED


async def test_a_job_that_another_process_takes_up_has_begun_already() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100))
    ear = Ear(rig)
    engine = await rig.submit(rig.job(chain("a")), engine=ear.engine())
    await engine.drive(RunId("run1"), within=10)
    await ear.engine().settle()
    words = [word for word in ear.heard if word[0] != "("]
    assert words == ["before-job", "before-step a", "after-step a", "after-job"]


async def test_being_held_is_neither_a_begin_nor_an_end() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    ear = Ear(rig)

    rig.fleet.offers = frozenset({Offer.PAUSE})
    job, body = rig.job(chain("a"))
    engine = await rig.submit((job, body), engine=ear.engine())
    task = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    await rig.engine().holding.pause(job.id, seconds=60, alone=False)
    await task
    assert [told.moment for told in ear.told] == [
        Moment.BEFORE_JOB,
        Moment.BEFORE_STEP,
        Moment.AFTER_STEP,
        Moment.AFTER_JOB,
    ]
