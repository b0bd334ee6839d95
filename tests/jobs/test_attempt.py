"""Attempts that a server took and never began, and those it does not take."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import RefusedError
from controller.jobs.attempt import NotTakenError, start_or_learn
from controller.jobs.outcome import NEVER
from controller.model.ids import AttemptId, JobId
from controller.model.job import Job, State
from controller.transport.port import AttemptSpec, AttemptStatus, Ending, Phase
from tests.fakes.fleet import Program, SimulatedSession
from tests.jobs.rig import Retry, Rig, step

NEVER_BEGAN = Program(ending=Ending.UNSTARTED)
FAILS = Program(exit_code=1)
WORKS = Program()


async def driven(rig: Rig, programs: Sequence[Program], *, retries: int = 0) -> Job:
    """Run a job of two steps; the tries of the first one do what the programs say, the last again and again."""

    def behave(_server: str, spec: AttemptSpec) -> Program:
        _, name, number = spec.id.split(".")
        return programs[min(int(number), len(programs)) - 1] if name == "one" else WORKS

    rig.fleet.behaviour = behave
    first = step("one", retry=Retry(limit=retries))
    (job,) = await rig.run(rig.job((first, step("after", "one"))))
    return job


async def test_what_never_began_is_sent_again_without_retries() -> None:
    rig = Rig()
    job = await driven(rig, [NEVER_BEGAN, NEVER_BEGAN, WORKS])
    assert job.state is State.SUCCEEDED, job
    assert [one.state for one in job.steps[0].attempts] == [
        State.CANCELLED,
        State.CANCELLED,
        State.SUCCEEDED,
    ]
    assert [one.reason for one in job.steps[0].attempts[:2]] == [NEVER, NEVER]
    assert set(rig.fleet.starts.values()) == {1}, "under an id of its own each time"


async def test_what_never_begins_is_not_sent_for_ever() -> None:
    full = Program(ending=Ending.UNSTARTED, message="No space left on device")
    job = await driven(Rig(), [full])
    assert job.state is State.FAILED, "nobody wished that"
    assert "never started: No space left on device" in str(job.steps[0].reason)
    assert {one.state for one in job.steps[0].attempts} == {State.CANCELLED}
    assert len(job.steps[0].attempts) == 4
    assert job.steps[1].state is State.SKIPPED


async def test_what_never_began_takes_no_retry_away() -> None:
    job = await driven(Rig(), [NEVER_BEGAN, FAILS, NEVER_BEGAN, WORKS], retries=1)
    assert job.state is State.SUCCEEDED, job


async def law(programs: list[Program], retries: int) -> None:
    rig = Rig()
    job = await driven(rig, programs, retries=retries)
    tries = job.steps[0].attempts
    began = [one for one in tries if one.reason != NEVER]
    assert len(began) <= retries + 1
    assert len(tries) - len(began) <= 4
    assert set(rig.fleet.starts.values()) <= {1}
    assert [one.state for one in tries[:-1]].count(State.SUCCEEDED) == 0
    if job.state is State.SUCCEEDED:
        assert tries[-1].state is State.SUCCEEDED
    elif tries[-1].reason != NEVER:
        assert len(began) == retries + 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([NEVER_BEGAN, FAILS, WORKS]), min_size=1, max_size=9),
    st.integers(min_value=0, max_value=3),
)
def test_tries_are_bounded_whatever_begins(programs: list[Program], retries: int) -> None:
    asyncio.run(law(programs, retries))


async def test_what_a_server_refuses_fails_with_its_words_and_nothing_else_is_harmed() -> None:
    rig = Rig(secrets={"s": "hunter2secret"})
    job = await driven(rig, [Program(refused="cannot limit io: hunter2secret")])
    assert job.state is State.FAILED
    (one,) = job.steps[0].attempts
    assert (one.state, one.reason) == (State.FAILED, "cannot limit io: *************")
    assert rig.fleet.machine("web-1").locks == {}


async def test_what_is_refused_may_be_tried_again() -> None:
    job = await driven(Rig(), [Program(refused="no"), WORKS], retries=1)
    assert job.state is State.SUCCEEDED


class Gate(SimulatedSession):
    """Refuses every start, whatever it knows."""

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        raise RefusedError("no")


@pytest.mark.parametrize("known", [True, False])
async def test_a_refusal_ends_only_what_nobody_knows_there(known: bool) -> None:
    """The answer to a first start may have been lost on its way."""
    rig = Rig(lambda _server, _spec: Program(seconds=50))
    machine = rig.fleet.machine("web-1")
    spec = AttemptSpec(id=AttemptId("j.one.1"), job=JobId("j"), text=b"")
    if known:
        await SimulatedSession(rig.fleet, machine).start(spec)
        status = await start_or_learn(Gate(rig.fleet, machine), spec)
        assert status.phase is Phase.RUNNING
    else:
        with pytest.raises(NotTakenError, match="no"):
            await start_or_learn(Gate(rig.fleet, machine), spec)
