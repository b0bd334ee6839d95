"""Following a job as if it ran here; one that nobody drives is taken up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.errors import NotFoundError, RefusedError
from controller.model.ids import JobId, RunId
from controller.model.job import Job, State
from controller.reconcile.desk.attaching import Attachment, attach
from controller.reconcile.exchange.requests import RunRequest
from controller.transport.port import AttemptSpec, Offer
from tests.fakes.fleet import Program
from tests.fakes.house import House, Town, house

DECLARED = """\
tasks:
  a: {run: a}
  two: {steps: {a: {run: a}, b: {run: b}}}
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, Town(clock=SystemClock())) as made:
        made.declare(DECLARED, servers=1)
        yield made


def behave(home: House, program: Program) -> None:
    home.town.fleet.behaviour = lambda _server, _spec: program


async def left(home: House, task: str = "a", *, interactive: bool = False) -> Job:
    """A job that runs, and whose driver is gone."""
    request = RunRequest(task=task, on="all", interactive=interactive)
    driving = asyncio.create_task(home.controller.run(request))
    job: Job | None = None
    while job is None or not _runs(job):
        await asyncio.sleep(0.01)
        job = next(iter(await home.jobs()), None)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    (job,) = await home.jobs()
    return job


def _runs(job: Job) -> bool:
    return any(each.state is State.RUNNING for each in job.steps[0].attempts)


async def follow(attached: Attachment) -> bytes:
    return b"".join([chunk.data async for chunk in attached.output() if chunk is not None])


async def test_a_job_nobody_drives_is_taken_up_to_its_end(home: House) -> None:
    behave(home, Program(seconds=1, output=b"said\n"))
    job = await left(home, "two")
    async with home.controller.jobs.attach(job) as attached:
        assert await follow(attached) == b"said\nsaid\n"
        assert attached.job.state is State.SUCCEEDED
        assert attached.report().summary.succeeded == 1
    assert max(home.town.fleet.starts.values()) == 1


async def test_only_one_step_is_shown_when_it_is_named(home: House) -> None:
    home.town.fleet.behaviour = lambda _s, spec: Program(seconds=1, output=spec.text)
    job = await left(home, "two")
    with pytest.raises(NotFoundError, match="no step 'c'"):
        home.controller.jobs.attach(job, step="c")
    async with home.controller.jobs.attach(job, step="b") as attached:
        assert await follow(attached) == b"b"


async def test_a_failure_is_told_as_of_a_run(home: House) -> None:
    behave(home, Program(seconds=1, exit_code=3))
    job = await left(home)
    async with home.controller.jobs.attach(job) as attached:
        await follow(attached)
        assert attached.report().summary.failed == 1


async def test_leaving_leaves_the_job_as_it_is(home: House) -> None:
    behave(home, Program(seconds=100_000))
    job = await left(home)
    async with home.controller.jobs.attach(job) as attached:
        chunks = attached.output()
        for _ in range(3):
            assert await anext(chunks) is None
        assert attached.report().waiting
    stored = await home.rooms.store.jobs.get(job.id)
    assert stored is not None
    assert stored.state is State.RUNNING
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_job_that_never_began_is_not_begun_by_looking_at_it(home: House) -> None:
    behave(home, Program(seconds=1))
    job = await left(home)
    run = (await home.rooms.store.runs.list())[0]
    other = replace(run, id=RunId("other"))
    waiting = replace(
        job, id=JobId("waiting00000"), run=other.id, state=State.PENDING, started_at=None,
        steps=tuple(replace(step, state=State.PENDING, attempts=()) for step in job.steps),
    )  # fmt: skip
    body = replace(await home.rooms.store.jobs.body(job.id), job=waiting.id)
    await home.rooms.store.runs.add(other, [(waiting, body)])
    async with home.controller.jobs.attach(waiting) as attached:
        with pytest.raises(RefusedError, match="it never began"):
            await follow(attached)
    assert sum(home.town.fleet.starts.values()) == 1


async def test_what_is_typed_reaches_the_job(home: House) -> None:
    home.town.fleet.offers = frozenset({Offer.INPUT})
    specs: list[AttemptSpec] = []

    def echo(_server: str, spec: AttemptSpec) -> Program:
        specs.append(spec)
        return Program(seconds=100_000, echo=True)

    home.town.fleet.behaviour = echo
    job = await left(home, interactive=True)
    assert specs[0].interactive
    async with home.controller.jobs.attach(job) as attached:
        assert await attached.refusal() is None
        await attached.feed(b"hel")
        await attached.feed(b"lo\n")
        await attached.feed(b"", close=True)
        assert await follow(attached) == b"hello\n"
        with pytest.raises(RefusedError, match="has ended"):
            await attached.feed(b"more")


async def test_input_that_is_not_taken_is_told_in_words(home: House) -> None:
    behave(home, Program(seconds=100_000))
    job = await left(home)
    async with home.controller.jobs.attach(job) as attached:
        assert await attached.refusal() == "it was not begun with --interactive"


async def test_a_server_that_takes_no_input_is_named(home: House) -> None:
    behave(home, Program(seconds=100_000))
    job = await left(home, interactive=True)
    async with home.controller.jobs.attach(job) as attached:
        assert await attached.refusal() == "web-1 has no agent that takes it"


async def test_a_job_is_followed_on_its_server_while_who_holds_the_state_is_busy_with_others(
    home: House,
) -> None:
    behave(home, Program(seconds=100_000, output=b"said\n"))
    job = await left(home)
    (attempt,) = job.steps[0].attempts
    home.rooms.output.sweep(())

    @asynccontextmanager
    async def held() -> AsyncIterator[bool]:
        yield False

    ledger = await home.rooms.store.jobs.events(job.id)
    async with attach(replace(home.rooms, saving=held), job, None) as attached:
        chunk = await anext(chunk async for chunk in attached.output() if chunk is not None)
    assert chunk.data == b"said\n"
    assert await home.rooms.output.stored(attempt.id) == 5
    assert await home.rooms.store.jobs.events(job.id) == ledger
