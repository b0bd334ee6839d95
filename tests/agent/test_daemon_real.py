"""The whole agent: real attempts under a daemon that is killed, cut off and restarted."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.pki.role import Role
from controller.wire.messages.attempts import Attempt, Discard, Start, StopAttempt, WaitAttempt
from controller.wire.messages.server import Failed
from controller.wire.messages.streams import OpenOutput
from tests.fakes.agent_process import HUB, NAME, AgentProcess, make_agent
from tests.fakes.agents import Caller, Who, who

pytestmark = pytest.mark.real


@pytest.fixture
def agent() -> Iterator[AgentProcess]:
    made = make_agent("--workers", "8")
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def job() -> str:
    """Name a job as no other test does: agents of one machine share the tree of control groups."""
    return f"job-{secrets.token_hex(4)}"


def hub(agent: AgentProcess) -> Caller:
    return Caller(who(agent.place, HUB), agent=NAME)


async def up(agent: AgentProcess) -> int:
    await asyncio.to_thread(agent.listen)
    return agent.port


async def ended(caller: Caller, attempt: str) -> Attempt:
    reply = await caller.ask(WaitAttempt(attempt=attempt))
    assert isinstance(reply, Attempt), reply
    return reply


async def test_a_job_outlives_a_daemon_that_is_killed_and_is_started_once(
    agent: AgentProcess, tmp_path: Path, job: str
) -> None:
    trace = tmp_path / "trace"
    text = f"echo started >> {trace}; sleep 1; echo done; exit 7".encode()
    work = Start(id=f"{job}.a.1", job=job, text=text, workdir="/")
    caller = hub(agent)
    async with caller.connected(await up(agent)):
        reply = await caller.ask(work)
        assert isinstance(reply, Attempt), reply
        assert reply.phase in {"running", "waiting"}
        await asyncio.to_thread(agent.kill)
    async with caller.connected(await up(agent)):
        assert not caller.opened[-1].resumed
        again = await caller.ask(work)
        assert isinstance(again, Attempt), again
        assert not again.fresh
        end = await ended(caller, work.id)
        assert (end.phase, end.exit_code) == ("ended", 7)
        assert await caller.open(OpenOutput(attempt=work.id)).whole() == b"done\n"
        await caller.ask(Discard(attempts=(work.id,), job=job))
    assert trace.read_text() == "started\n"


@pytest.mark.sweep
@pytest.mark.slow
async def test_kills_at_any_moment_start_nothing_twice_and_lose_no_output(
    agent: AgentProcess, tmp_path: Path, job: str
) -> None:
    caller = hub(agent)
    works = [
        Start(
            id=f"{job}-{number}.a.1",
            job=f"{job}-{number}",
            text=f"echo {number} >> {tmp_path}/{number}; echo out {number}".encode(),
            workdir="/",
        )
        for number in range(6)
    ]
    for number, work in enumerate(works):
        async with caller.connected(await up(agent)):
            asked = caller.asking(work)
            await asyncio.sleep(0.01 * number)
            await asyncio.to_thread(agent.kill)
            await caller.until(lambda: caller.session.link is None)
        asked.cancel()
    async with caller.connected(await up(agent)):
        for work in works:
            reply = await caller.ask(work)  # the same again, as who does not know what arrived
            assert isinstance(reply, Attempt), reply
        ends = [await ended(caller, work.id) for work in works]
        for number, end in enumerate(ends):
            trace = tmp_path / str(number)
            if end.ending == "unstarted":  # killed in between: proved, and never begun again
                assert not trace.exists()
                continue
            assert (end.phase, end.exit_code) == ("ended", 0)
            assert trace.read_text() == f"{number}\n"
            output = await caller.open(OpenOutput(attempt=end.id)).whole()
            assert output == f"out {number}\n".encode()


async def test_output_goes_on_where_the_connection_broke_off(agent: AgentProcess, job: str) -> None:
    text = b"i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done"
    expected = "".join(f"line {number}\n" for number in range(40_000)).encode()
    caller = hub(agent)
    port = await up(agent)
    async with caller.connected(port):
        reply = await caller.ask(Start(id=f"{job}.a.1", job=job, text=text, workdir="/"))
        assert isinstance(reply, Attempt), reply
        flowing = caller.open(OpenOutput(attempt=f"{job}.a.1", follow=True))
        caller.cut()
    for part in (1, 2, 3):
        async with caller.connected(port):
            await caller.until(lambda part=part: len(flowing.data) > part * 90_000)  # type: ignore[misc]
            caller.cut()
    async with caller.connected(port):
        assert await flowing.whole() == expected


async def test_a_drain_waits_for_what_runs(agent: AgentProcess, job: str) -> None:
    agent.words = ("--drain",)
    caller = hub(agent)
    async with caller.connected(await up(agent)):
        reply = await caller.ask(
            Start(id=f"{job}.a.1", job=job, text=b"sleep 0.7; exit 3", workdir="/")
        )
        assert isinstance(reply, Attempt), reply
        assert agent.process is not None
        agent.process.send_signal(signal.SIGTERM)
        end = await ended(caller, f"{job}.a.1")
        assert end.exit_code == 3
        await caller.until(lambda: bool(caller.goodbyes))
        assert caller.goodbyes[-1].reason == "restarting"
        assert await asyncio.to_thread(agent.process.wait, 10) == 0


async def test_a_user_may_not_stop_what_a_controller_started(agent: AgentProcess, job: str) -> None:
    agent.place.issue("ana", Role.USER)
    ana: Who = who(agent.place, "ana")
    port = await up(agent)
    main, other = hub(agent), Caller(ana, agent=NAME)
    async with main.connected(port), other.connected(port):
        await main.ask(Start(id=f"{job}.a.1", job=job, text=b"sleep 60", workdir="/"))
        refused = await other.ask(StopAttempt(attempt=f"{job}.a.1"))
        assert isinstance(refused, Failed)
        stopped = await main.ask(StopAttempt(attempt=f"{job}.a.1", grace=0))
        assert isinstance(stopped, Attempt), stopped
        assert (await ended(main, f"{job}.a.1")).ending == "stop"


async def test_one_id_that_comes_over_many_sessions_at_once_starts_once(
    agent: AgentProcess, tmp_path: Path, job: str
) -> None:
    trace = tmp_path / "trace"
    text = f"echo started >> {trace}; sleep 0.2; echo done; exit 7".encode()
    work = Start(id=f"{job}.a.1", job=job, text=text, workdir="/")
    port = await up(agent)
    callers = [hub(agent) for _ in range(5)]
    async with contextlib.AsyncExitStack() as stack:
        for caller in callers:
            await stack.enter_async_context(caller.connected(port))
        asked = [caller.asking(work) for caller in callers for _ in range(4)]
        replies = await asyncio.wait_for(asyncio.gather(*asked), 10)
        assert all(isinstance(one, Attempt) for one in replies), replies
        assert sum(one.fresh for one in replies if isinstance(one, Attempt)) == 1
        ends = [await ended(caller, work.id) for caller in callers]
        assert {(one.phase, one.exit_code) for one in ends} == {("ended", 7)}
        for caller in callers:
            assert await caller.open(OpenOutput(attempt=work.id)).whole() == b"done\n"
    assert trace.read_text() == "started\n"
