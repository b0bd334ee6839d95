"""Whatever breaks, whenever: nothing starts twice, nothing that succeeded is repeated, and all ends."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from controller.jobs.ledger import fold, in_order
from controller.jobs.link import PATIENCE
from controller.jobs.marker import encode_marker
from controller.model.declaration import OnRemove
from controller.model.files import SECRET_CLOSE, SECRET_OPEN, FileWork
from controller.model.ids import RunId
from controller.model.job import Job, JobBody, State
from controller.model.work import StepWork, Work
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.jobs.crashing import Crash, CrashingStore, Fuse, cause_of
from tests.jobs.rig import Retry, Rig, chain, digest, step

STEPS: tuple[StepWork, ...] = (
    step("fetch"),
    step("migrate", "fetch", retry=Retry(limit=2, delay=3)),
    step("warm", "fetch", continue_on_error=True),
    step("restart", "migrate", "warm"),
)


def behave(_server: str, spec: AttemptSpec) -> Program:
    """`migrate` fails at its first try, `warm` always; both run side by side."""
    name, number = spec.id.split(".")[1:]
    failing = name == "warm" or (name == "migrate" and number == "1")
    return Program(seconds=7, exit_code=int(failing), output=f"{spec.id}\n".encode() * 50)


def jobs(rig: Rig) -> list[tuple[Job, JobBody]]:
    return [rig.job(STEPS), rig.job(STEPS, target="zebra"), rig.job(STEPS, server="web-2")]


async def survive(rig: Rig, act: Callable[[], object]) -> bool:
    """Do something a controller does; false when the controller died of it."""
    try:
        await act()  # type: ignore[misc]
    except BaseException as error:
        if not isinstance(cause_of(error), Crash):
            raise
        return False
    return True


async def live_through(rig: Rig, store: CrashingStore, fuses: list[tuple[int, bool]]) -> None:
    """Submit and drive; let each controller die at its fuse; let the last one live."""

    def bang() -> None:
        for name in list(rig.fleet.machines):
            rig.fleet.cut(name)

    async def first() -> None:
        engine = await rig.submit(*jobs(rig))
        await engine.drive(RunId("run1"))

    async def later() -> None:
        await rig.engine().settle()

    acts = [first, *([later] * len(fuses))]
    for act, (at, after) in zip(acts, [*fuses, (0, False)], strict=True):
        store.fuse = Fuse(at, after=after, bang=bang)
        await survive(rig, act)


async def check_laws(rig: Rig, recorded: dict[str, Job]) -> None:
    """Check what must hold at the end, whatever happened."""
    assert all(count == 1 for count in rig.fleet.starts.values()), rig.fleet.starts
    for job in await rig.store.jobs.list(limit=100):
        assert job.state.ended, job
        ledger = fold(recorded[job.id], await rig.store.jobs.events(job.id))
        assert ledger.job == job
        for run in job.steps:
            done = [a.number for a in run.attempts if a.state is State.SUCCEEDED]
            assert done in ([], [len(run.attempts)]), run
        if job.state is State.SUCCEEDED:
            marker = rig.marker(job.server, job.target or "")
            assert marker is not None
            assert marker.applied == job.digest
            assert marker.tried is None
            assert marker == await rig.record(job.server, job.target or "")
            assert ("main", job.target) not in rig.fleet.machine(job.server).locks


def as_recorded(jobs_: list[tuple[Job, JobBody]]) -> dict[str, Job]:
    return {job.id: job for job, _ in jobs_}


async def writes_of_a_quiet_run() -> int:
    store = CrashingStore()
    rig = Rig(behave, store=store)
    await live_through(rig, store, [])
    done = await store.jobs.list()
    assert [job.state for job in done] == [State.SUCCEEDED] * 3
    assert sum(rig.fleet.starts.values()) == 15
    return store.fuse.count


@pytest.mark.sweep
async def test_a_controller_killed_at_any_write_repeats_nothing_and_all_ends() -> None:
    writes = await writes_of_a_quiet_run()
    assert writes > 60
    for at in range(1, writes + 1):
        for after in (False, True):
            store = CrashingStore()
            rig = Rig(behave, store=store)
            await live_through(rig, store, [(at, after)])
            recorded = as_recorded(jobs(Rig()))
            await check_laws(rig, recorded)
            states = {job.state for job in await store.jobs.list()}
            assert states <= {State.SUCCEEDED, State.CANCELLED}, (at, after, states)


async def test_at_whatever_write_a_controller_is_killed_the_record_is_what_the_marker_says() -> (
    None
):
    """Each controller would make another key, and the value of a secret may be another by then."""
    file = FileWork(path="/etc/app", content=SECRET_OPEN + b"db" + SECRET_CLOSE, secrets=("db",))
    plain = FileWork(path="/etc/plain", content=b"x")
    at, burnt = 0, True
    while burnt:
        at += 1
        store = CrashingStore()
        rig = Rig(store=store, secrets={"db": "first"})
        job, body = rig.job(files=(file,))
        undo = Work(task="wipe", digest=digest("u"), steps=chain("wipe"), files=(plain,))
        made = (job, replace(body, undo=undo, on_remove=OnRemove.RUN))
        store.fuse = Fuse(at, after=True, bang=partial(rig.fleet.cut, "web-1"))
        await survive(rig, partial(begin, rig, made))
        burnt, store.fuse = store.fuse.burnt, Fuse()
        rig.secrets["db"] = "second"
        await rig.engine().settle()
        record, there = await rig.record(), rig.fleet.machine("web-1").markers
        assert there == ({} if record is None else {("main", "shop"): encode_marker(record)}), at
        assert record is None or record.undo == undo, at
    assert at > 8


async def test_attempts_stand_as_they_were_made_at_whatever_write_a_controller_was_killed() -> None:
    words, unseen, burnt, at = ("one", "two", "three"), set[str](), True, 0
    while burnt:
        at += 1
        store = CrashingStore()
        rig = Rig(lambda _s, _p: Program(seconds=5), store=store)
        made = rig.job(chain(*words))
        store.fuse = Fuse(at, bang=partial(rig.fleet.cut, "web-1"))
        await survive(rig, partial(begin, rig, made))
        burnt, store.fuse = store.fuse.burnt, Fuse()
        await rig.clock.sleep(60)  # what runs ends while nobody looks
        await rig.engine().settle()
        for job in await store.jobs.list():
            if job.state is not State.SUCCEEDED:
                continue  # it was dropped before anything of it left
            order = in_order(job, await store.jobs.events(job.id))
            assert [name for name, _ in order] == list(words), at
            unseen |= {name for name, attempt in order if attempt.started_at is None}
    assert unseen == set(words)


async def begin(rig: Rig, made: tuple[Job, JobBody]) -> None:
    """Submit a job and drive it."""
    engine = await rig.submit(made)
    await engine.drive(RunId("run1"))


async def test_tries_of_steps_that_run_side_by_side_stand_as_they_were_made() -> None:
    rig = Rig(behave)
    (job,) = await rig.run(rig.job(STEPS))
    order = in_order(job, await rig.store.jobs.events(job.id))
    shown = [f"{name}.{attempt.number}" for name, attempt in order]
    assert shown == ["fetch.1", "migrate.1", "warm.1", "migrate.2", "restart.1"]


@given(
    fuses=st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=2, max_size=5),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_controllers_killed_one_after_the_other_repeat_nothing(
    fuses: list[tuple[int, bool]],
) -> None:
    store = CrashingStore()
    rig = Rig(behave, store=store)
    await live_through(rig, store, fuses)
    await check_laws(rig, as_recorded(jobs(Rig())))


class Weather:
    """Breaks things around every use of a session, by the dice."""

    def __init__(self, rig: Rig, seed: int, *, reboots: bool) -> None:
        self._fleet = rig.fleet
        self._dice = random.Random(seed)  # noqa: S311  # weather, not a key
        self._reboots = reboots
        self.fair = False

    def __call__(self, server: str, _what: str, _before: bool) -> None:
        throw = self._dice.random()
        if self.fair:
            return
        if throw < 0.05:
            self._fleet.cut(server)
        elif throw < 0.07 and self._reboots:
            self._fleet.reboot(server)
        elif throw < 0.09:
            self._fleet.lay_down(server)
        elif throw < 0.5:
            self._fleet.stand_up(server)

    def clear(self) -> None:
        self.fair = True
        for name in self._fleet.machines:
            self._fleet.stand_up(name)


@given(seed=st.integers(0, 10**9), fuse=st.tuples(st.integers(1, 60), st.booleans()))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_cut_rebooted_and_unreachable_servers_never_start_anything_twice(
    seed: int, fuse: tuple[int, bool]
) -> None:
    store = CrashingStore()
    rig = Rig(behave, store=store)
    weather = Weather(rig, seed, reboots=True)
    rig.fleet.disturb = weather
    await live_through(rig, store, [fuse])
    weather.clear()
    await rig.engine().settle()
    await check_laws(rig, as_recorded(jobs(Rig())))


@given(seed=st.integers(0, 10**9))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_without_reboots_every_job_that_began_succeeds_in_the_end(seed: int) -> None:
    rig = Rig(behave)
    weather = Weather(rig, seed, reboots=False)
    rig.fleet.disturb = weather
    engine = await rig.submit(*jobs(rig))
    await engine.drive(RunId("run1"))
    weather.clear()
    await rig.engine().settle()
    states = [job.state for job in await rig.store.jobs.list()]
    assert set(states) <= {State.SUCCEEDED, State.CANCELLED}
    for attempt, kept in rig.output.files.items():
        assert bytes(kept) == f"{attempt}\n".encode() * 50


async def test_a_reboot_interrupts_and_starts_nothing_more() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=50))
    engine = await rig.submit(rig.job(STEPS))
    report = await engine.drive(RunId("run1"), within=20)
    assert report.waiting
    rig.fleet.reboot("web-1")
    (job,) = (await rig.engine().settle()).jobs
    assert job.state is State.INTERRUPTED
    assert [run.state for run in job.steps] == [State.INTERRUPTED] + [State.SKIPPED] * 3
    marker = rig.marker()
    assert marker is not None
    assert marker.tried is not None
    assert marker.tried.state is State.INTERRUPTED
    assert sum(rig.fleet.starts.values()) == 1


async def test_silence_makes_work_lost_and_its_return_brings_the_truth() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=50))
    engine = await rig.submit(rig.job((step("a"), step("b", "a"))))
    await engine.drive(RunId("run1"), within=20)
    rig.fleet.lay_down("web-1")
    (job,) = (await rig.engine().settle()).jobs
    assert (job.state, job.reason) == (State.LOST, "Unreachable")
    assert job.steps[1].state is State.PENDING
    record = await rig.record()
    assert record is not None
    assert record.tried is not None
    assert record.tried.state is State.LOST
    (job,) = (await rig.engine().settle()).jobs
    assert job.state is State.LOST
    rig.fleet.stand_up("web-1")
    (job,) = (await rig.engine().settle()).jobs
    assert job.state is State.SUCCEEDED
    assert set(rig.fleet.starts.values()) == {1}
    assert (await rig.record()) == rig.marker()


async def test_a_session_lost_for_a_while_is_waited_for() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=600, output=b"x" * 100))
    engine = await rig.submit(rig.job())
    await engine.drive(RunId("run1"), within=20)
    again = rig.engine()

    def down_once(server: str, what: str, _before: bool) -> None:
        if what == "wait" and not rig.connectivity.lines[2:]:
            rig.fleet.lay_down(server)
        if (rig.clock.now() - began).total_seconds() > PATIENCE / 2:
            rig.fleet.stand_up(server)

    began = rig.clock.now()
    rig.fleet.disturb = down_once
    (job,) = (await again.settle()).jobs
    assert job.state is State.SUCCEEDED
    assert job.steps[0].state is State.SUCCEEDED


async def test_another_controller_that_took_the_target_over_is_left_alone() -> None:
    rig = Rig(lambda _s, spec: Program(seconds=50))
    engine = await rig.submit(rig.job((step("a"), step("b", "a"))))
    await engine.drive(RunId("run1"), within=20)
    machine = rig.fleet.machine("web-1")
    await rig.clock.sleep(100)
    del machine.locks["main", "shop"]
    machine.markers["main", "shop"] = b"theirs"
    (job,) = (await rig.engine().settle()).jobs
    assert (job.state, job.reason) == (State.INTERRUPTED, "stale")
    assert [run.state for run in job.steps] == [State.SUCCEEDED, State.SKIPPED]
    assert machine.markers["main", "shop"] == b"theirs"
    assert sum(rig.fleet.starts.values()) == 1


@pytest.mark.parametrize("servers", [100, pytest.param(1000, marks=pytest.mark.sweep)])
async def test_a_run_of_many_servers_ends(servers: int) -> None:
    rig = Rig(lambda server, _p: Program(seconds=5, exit_code=int(server.endswith("7"))))
    for number in range(0, servers, 50):
        rig.fleet.lay_down(f"web-{number}")
    engine = await rig.submit(*(rig.job(server=f"web-{n}") for n in range(servers)))
    report = await engine.drive(RunId("run1"), parallel=servers // 5)
    failed, unreachable = servers // 10, servers // 50
    assert report.counts.failed == failed
    assert report.counts.unreachable == unreachable
    assert report.counts.succeeded == servers - failed - unreachable
    assert sum(rig.fleet.starts.values()) == servers - unreachable


async def test_a_target_that_was_taken_over_before_the_end_is_not_called_succeeded() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=50))

    def steal(_server: str, what: str, before: bool) -> None:
        if what == "release_target" and before:
            machine = rig.fleet.machine("web-1")
            machine.locks.pop(("main", "shop"), None)
            machine.markers["main", "shop"] = b"theirs"

    rig.fleet.disturb = steal
    (job,) = await rig.run(rig.job())
    assert job.state is State.INTERRUPTED
    assert "does not hold its lock" in (job.reason or "")
    assert rig.fleet.machine("web-1").markers["main", "shop"] == b"theirs"


async def test_after_a_reboot_nothing_more_is_sent_even_where_errors_are_forgiven() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=50))
    engine = await rig.submit(rig.job((step("a", continue_on_error=True), step("b", "a"))))
    await engine.drive(RunId("run1"), within=20)
    rig.fleet.reboot("web-1")
    (job,) = (await rig.engine().settle()).jobs
    assert job.state is State.INTERRUPTED
    assert job.steps[1].reason == "a step was interrupted"
    assert len(rig.fleet.starts) == 1
