"""What a shutdown of the server does to attempts: their supervisors are told to end as their commands are.

The real thing is tried on a virtual server (`make vm-test`); this is the order of signals it sends.
"""

import signal

import pytest

from controller.transport.port import AttemptSpec, Phase, Session
from tests.fakes import processes
from tests.transport.way import Way

pytestmark = [pytest.mark.real, pytest.mark.sweep]

POLITE = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def way(runner_way: Way) -> Way:
    """Only ways with a runner: agents keep things elsewhere."""
    return runner_way


@pytest.fixture
def every_way(every_runner_way: Way) -> Way:
    """Only ways with a runner: agents keep things elsewhere."""
    return every_runner_way


async def begin(session: Session, spec: AttemptSpec, way: Way) -> tuple[int, list[int]]:
    """Start an attempt that says `up` and then goes on; give its supervisor and its processes."""
    await session.start(spec)
    async for chunk in session.output(spec.id, follow=True):
        if b"up" in chunk.data:
            break
    command = way.running()
    told = [fields for pid in command if (fields := processes.fields_of(pid))]  # some are brief
    (supervisor,) = {int(fields[1]) for fields in told} - {*command}
    return supervisor, command


async def test_work_that_is_ended_with_its_supervisor_is_interrupted(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec(POLITE)
    supervisor, command = await begin(session, spec, every_way)
    for pid in (supervisor, *command):
        processes.send(pid, signal.SIGTERM)
    ended = await session.wait(spec.id)
    assert ended.phase is Phase.INTERRUPTED
    assert ended.exit_code is None
    assert not every_way.running()


async def test_a_stop_is_a_stop_also_for_a_supervisor_that_was_told_to_end(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec("trap '' TERM; echo up; while :; do sleep 0.1; done")
    supervisor, _ = await begin(session, spec, every_way)
    processes.send(supervisor, signal.SIGTERM)
    await session.stop(spec.id, grace=0.3)
    assert not every_way.running()
