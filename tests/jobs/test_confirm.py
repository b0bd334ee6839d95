"""A change that must be confirmed: kept only when the controller reaches its server anew, undone by the server itself otherwise."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.errors import TransportError, Unreachable
from controller.jobs.reasons import REVERTED, UNHEALTHY
from controller.model.inventory import Server
from controller.model.job import Job, State
from controller.model.task import Retry
from controller.model.work import StepKind, StepWork
from controller.store.sqlite import open_store
from controller.transport import loopback
from controller.transport.port import Dialer, Session
from tests.fakes import processes
from tests.fakes.sshd import Sshd, dialer, start_sshd
from tests.jobs.place import Place

pytestmark = pytest.mark.real


class Deaf:
    """A dialer that cannot reach a server anew; what is open stays open."""

    def __init__(self, inner: Dialer) -> None:
        self._inner = inner
        self.asked = 0

    async def open(self, server: Server) -> Session:
        return await self._inner.open(server)

    async def fresh(self, server: Server) -> Session:
        self.asked += 1
        raise TransportError(f"cannot reach {server.name}", cause=Unreachable.TCP)

    async def close(self) -> None:
        await self._inner.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "home").mkdir()
    store = open_store(tmp_path / "state", clock=SystemClock())
    made = Place(tmp_path, store, {})
    yield made
    await finish(made)


async def finish(place: Place) -> None:
    """End what is left, and leave no trace."""
    for job in place.jobs:
        for pid in processes.marked(f"CTL_MARK=:{job}.".encode()):
            processes.send(pid, signal.SIGKILL)
    await place.store.close()
    place.clean_up()


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    server = start_sshd(tmp_path / "sshd")
    yield server
    server.loopback.stop()


@pytest.fixture
async def there(tmp_path: Path, sshd: Sshd) -> AsyncIterator[Place]:
    (tmp_path / "home").mkdir()
    store = open_store(tmp_path / "state", clock=SystemClock())
    made = Place(tmp_path, store, {})
    made.server, made.there, made.dial = sshd.server, sshd.base, lambda: dialer(sshd.key)
    yield made
    await finish(made)


def guard(home: Path, seconds: float, *, text: str | None = None) -> StepWork:
    """The step that undoes the change."""
    return StepWork(
        name="_confirm",
        kind=StepKind.CONFIRM,
        text=text or f"echo undone by $CTL_STEP >>{home}/state; cat {home}/state",
        timeout=seconds,
    )


def change(home: Path, text: str = "") -> StepWork:
    return StepWork(name="change", text=f"echo changed >>{home}/state; {text}")


def state_of(place: Place) -> list[str]:
    file = place.home / "state"
    return file.read_text().split("\n")[:-1] if file.exists() else []


async def drive(place: Place, *steps: StepWork, **work: object) -> Job:
    engine, reach = place.engine()
    job = await place.submit(engine, *steps, **work)  # type: ignore[arg-type]
    (done,) = (await engine.drive(job.run)).jobs
    await reach.close()
    return done


async def until_state(place: Place, job: Job, step: int, state: State) -> None:
    for _ in range(400):
        seen = await place.store.jobs.get(job.id)
        if seen is not None and seen.steps[step].state is state:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"step {step} never became {state}")


@pytest.fixture(params=["here", "there"])
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.getfixturevalue(str(request.param))
    return made


async def test_a_confirmed_change_stays(place: Place) -> None:
    done = await drive(place, guard(place.home, 3), change(place.home))
    assert (done.state, done.reason) == (State.SUCCEEDED, None)
    assert [run.state for run in done.steps] == [State.SUCCEEDED, State.SUCCEEDED]
    assert done.steps[0].outputs == {"decision": "confirmed"}
    assert b"confirmed" in await place.text(done, "_confirm")
    await asyncio.sleep(4)
    assert state_of(place) == ["changed"]


async def test_the_guard_runs_before_anything_is_changed(here: Place) -> None:
    attempts = here.base / "attempts"
    look = StepWork(name="look", text=f"cat {attempts}/$CTL_JOB._confirm.1/pid && echo runs")
    done = await drive(here, guard(here.home, 5), look)
    assert (await here.text(done, "look")).endswith(b"runs\n")


async def test_a_change_that_cannot_be_confirmed_anew_is_undone_by_the_server(here: Place) -> None:
    deaf = Deaf(here.local())
    here.dial = lambda: deaf
    done = await drive(here, guard(here.home, 2), change(here.home))
    assert (done.state, done.reason) == (State.FAILED, REVERTED)
    assert deaf.asked >= 1
    assert state_of(here) == ["changed", "undone by _confirm"]
    assert done.steps[0].outputs == {"decision": "reverted", "revert": "0"}
    assert b"nobody confirmed it within 2 s" in await here.text(done, "_confirm")


async def test_a_failed_step_undoes_the_change_at_once(place: Place) -> None:
    began = time.monotonic()
    done = await drive(place, guard(place.home, 60), change(place.home, "exit 3"))
    assert time.monotonic() - began < 20
    assert done.state is State.FAILED
    assert done.reason == "step change is failed; the change was undone"
    assert done.exit_code == 3
    assert state_of(place) == ["changed", "undone by _confirm"]


async def test_a_failed_undoing_is_said(here: Place) -> None:
    done = await drive(here, guard(here.home, 60, text="exit 9"), change(here.home, "exit 3"))
    assert done.reason == "step change is failed; undoing the change failed"
    assert done.steps[0].outputs == {"decision": "reverted", "revert": "9"}


async def test_an_unhealthy_change_is_undone_and_counted_as_unhealthy(here: Place) -> None:
    health = StepWork(name="_health", kind=StepKind.HEALTH, text="exit 1", needs=("change",))
    done = await drive(here, guard(here.home, 60), change(here.home), health)
    assert (done.state, done.reason) == (State.FAILED, UNHEALTHY)
    assert state_of(here) == ["changed", "undone by _confirm"]


@pytest.mark.parametrize("text", ["exit 1", "sleep 60"])
async def test_a_job_whose_health_fails_is_unhealthy(here: Place, text: str) -> None:
    health = StepWork(
        name="_health",
        kind=StepKind.HEALTH,
        text=text,
        needs=("change",),
        timeout=1.0,
        retry=Retry(limit=1, delay=0.1),
    )
    done = await drive(here, change(here.home), health)
    assert (done.state, done.reason) == (State.FAILED, UNHEALTHY)
    assert len(done.steps[1].attempts) == 2


async def test_a_stopped_job_undoes_its_change(here: Place) -> None:
    engine, reach = here.engine()
    job = await here.submit(engine, guard(here.home, 60), change(here.home, "sleep 60"))
    driving = asyncio.create_task(engine.drive(job.run))
    await until_state(here, job, 1, State.RUNNING)
    await processes.until(lambda: bool(state_of(here)))
    await engine.stop(job.id, grace=1.0, alone=False)
    (done,) = (await driving).jobs
    await reach.close()
    assert done.state is State.CANCELLED
    assert done.reason == "stopped; the change was undone"
    assert state_of(here) == ["changed", "undone by _confirm"]


async def test_a_server_whose_controller_died_undoes_the_change_by_itself(there: Place) -> None:
    engine, reach = there.engine()
    job = await there.submit(engine, guard(there.home, 2), change(there.home, "sleep 1"))
    driving = asyncio.create_task(engine.drive(job.run))
    await until_state(there, job, 1, State.RUNNING)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await reach.close()
    await processes.until(lambda: len(state_of(there)) == 2)
    engine, reach = there.engine()
    (done,) = (await engine.settle()).jobs
    await reach.close()
    assert (done.state, done.reason) == (State.FAILED, REVERTED)
    assert state_of(there) == ["changed", "undone by _confirm"]


async def test_a_controller_that_comes_back_in_time_confirms(there: Place) -> None:
    engine, reach = there.engine()
    job = await there.submit(
        engine,
        guard(there.home, 30),
        change(there.home, "sleep 2"),
        StepWork(name="next", text=f"echo next >>{there.home}/state", needs=("change",)),
    )
    driving = asyncio.create_task(engine.drive(job.run))
    await until_state(there, job, 1, State.RUNNING)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await reach.close()
    engine, reach = there.engine()
    (done,) = (await engine.settle()).jobs
    await reach.close()
    assert done.state is State.SUCCEEDED, done
    assert state_of(there) == ["changed", "next"]
    assert [len(run.attempts) for run in done.steps] == [1, 1, 1]


async def test_a_change_that_cuts_off_its_own_server_is_undone(there: Place, sshd: Sshd) -> None:
    """The new configuration lets nobody log in any more; sessions that are open stay open."""
    home, listener = there.home, sshd.loopback.process.pid
    undo = f"kill -CONT {listener}; echo undone >>{home}/state"
    done = await drive(there, guard(home, 3, text=undo), change(home, f"kill -STOP {listener}"))
    assert (done.state, done.reason) == (State.FAILED, REVERTED)
    assert state_of(there) == ["changed", "undone"]


async def test_steps_that_come_after_an_undone_change_are_not_sent(here: Place) -> None:
    late = StepWork(name="late", text=f"echo late >>{here.home}/state", needs=("change",))
    engine, reach = here.engine()
    job = await here.submit(engine, guard(here.home, 1), change(here.home, "sleep 1"), late)
    driving = asyncio.create_task(engine.drive(job.run))
    await until_state(here, job, 1, State.RUNNING)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await reach.close()
    await processes.until(lambda: len(state_of(here)) == 2)
    engine, reach = here.engine()
    (done,) = (await engine.settle()).jobs
    await reach.close()
    assert (done.state, done.reason) == (State.FAILED, REVERTED)
    assert "late" not in state_of(here)
    assert done.steps[2].state is State.SKIPPED


@pytest.mark.sweep
async def test_of_a_confirmation_and_an_undoing_at_once_exactly_one_decides(here: Place) -> None:
    """Whoever makes the folder late hears of it by how the guard ends."""
    seen = set[State]()
    for pause in (0.1, 1.5, 1.9, 2.3, 4.0):
        late = Late(here.local(), pause)
        here.dial = partial(keep, late)
        (here.home / "state").unlink(missing_ok=True)
        forget(here)
        done = await drive(here, guard(here.home, 2), change(here.home))
        seen.add(done.state)
        expected = (
            ["changed"] if done.state is State.SUCCEEDED else ["changed", "undone by _confirm"]
        )
        assert state_of(here) == expected, pause
    assert seen == {State.SUCCEEDED, State.FAILED}


class Late(Deaf):
    """A dialer whose new connections take their time."""

    def __init__(self, inner: Dialer, seconds: float) -> None:
        super().__init__(inner)
        self._seconds = seconds

    async def fresh(self, server: Server) -> Session:
        session = await self._inner.fresh(server)
        await asyncio.sleep(self._seconds)
        return session


def keep(one: Dialer) -> Dialer:
    return one


def forget(place: Place) -> None:
    """Forget what was applied, here as on the server."""
    marker = place.base / place.project / "targets" / "shop.json"
    marker.unlink(missing_ok=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
async def test_the_change_is_undone_as_the_user_of_the_steps(here: Place) -> None:
    undo = guard(here.home, 60, text="id -un; echo $HOME; pwd; echo x >>$CTL_OUTPUT")
    bad = StepWork(name="bad", text="exit 1")
    done = await drive(here, undo, bad, user="nobody", workdir="/")
    assert done.reason == "step bad is failed; the change was undone", done
    assert b"\nnobody\n/nonexistent\n/\nthe change is undone\n" in await here.text(done, "_confirm")
