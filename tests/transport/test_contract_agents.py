"""The carrier port's promises that only agents keep: input, workspaces, scripts, reports, the pool, how the machine does."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError, TransportError
from controller.model.ids import AttemptId, JobId
from controller.model.task import Limits, ResultType
from controller.transport.port import Ending, Offer, Phase
from tests.fakes import processes
from tests.fakes.agent_process import AgentProcess, make_agent
from tests.transport.conftest import made
from tests.transport.way import Way, agent_way, output_of

pytestmark = pytest.mark.real
SCRIPT = """#!/bin/sh
#::CTL:: name: greet
#::CTL:: title: Says hello
echo "hello $1 from $WHO"; exit 3
"""


@pytest.fixture(params=("agent", "pull"))
async def way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """An agent that is dialled, and one that dials."""
    async for one in made(request, tmp_path):
        yield one


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """Give bytes in pieces of an odd size."""
    for place in range(0, len(data), 100_003):
        yield data[place : place + 100_003]


async def test_an_agent_tells_what_it_can_do(way: Way) -> None:
    facts = (await way.open()).facts
    assert {Offer.PAUSE, Offer.INPUT, Offer.WORKSPACE, Offer.POOL} <= facts.offers
    assert Offer.ONLY_SCRIPTS not in facts.offers
    assert facts.agent


async def test_the_machine_tells_how_it_does(way: Way) -> None:
    session = await way.open()
    await processes.until(lambda: session.host is not None)
    host = session.host
    assert host is not None
    assert (host.processors, host.workers) == (os.cpu_count(), 200)
    assert 0 <= host.cpu <= 1
    assert 0 < host.memory_used <= host.memory_total
    assert 0 < host.disk_used <= host.disk_total


async def test_input_is_given_while_the_work_goes_on(way: Way) -> None:
    session = await way.open()
    spec = way.spec("while read -r line; do echo got $line; done; exit 4", interactive=True)
    await session.start(spec)
    await session.feed(spec.id, b"one\n")
    seen = b""
    async with asyncio.timeout(20):
        async for chunk in session.output(spec.id, follow=True):
            seen += chunk.data
            if seen == b"got one\n":
                await session.feed(spec.id, b"two\nthr")
                await session.feed(spec.id, b"ee\n", close=True)
    assert seen == b"got one\ngot two\ngot three\n"
    assert (await session.wait(spec.id)).exit_code == 4


async def test_input_of_megabytes_arrives_byte_for_byte(way: Way) -> None:
    session = await way.open()
    data = bytes(range(256)) * 20_000
    spec = way.spec("sha256sum", interactive=True)
    await session.start(spec)
    await session.feed(spec.id, data[:3_000_001])
    await session.feed(spec.id, data[3_000_001:], close=True)
    await session.wait(spec.id)
    told = await output_of(session, spec.id)
    assert told.split()[0].decode() == hashlib.sha256(data).hexdigest()


async def test_what_takes_no_input_says_so(way: Way) -> None:
    session = await way.open()
    spec = way.spec("sleep 20")
    await session.start(spec)
    await processes.until(way.running)
    with pytest.raises(RefusedError):
        await session.feed(spec.id, b"x")
    await session.stop(spec.id, grace=0.2)
    with pytest.raises((RefusedError, NotFoundError)):
        await session.feed(AttemptId(f"{way.job}.never.1"), b"x")


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_a_workspace_is_read_and_written_from_afar(way: Way, size: int) -> None:
    session = await way.open()
    data = (bytes(range(256)) * 12_000)[:size]
    spec = way.spec('mkdir -p "$CTL_WORKSPACE/sub"; echo made > "$CTL_WORKSPACE/sub/file"')
    await session.start(spec)
    await session.wait(spec.id)
    await session.put(way.job, "put here", pieces(data), executable=True)
    assert await session.workspace(way.job) == {"put here": size, "sub/file": 5}
    again = [piece async for piece in session.fetch(f"workspace:{way.job}/put here")]
    assert b"".join(again) == data
    use = way.spec('test -x "$CTL_WORKSPACE/put here" && cksum < "$CTL_WORKSPACE/put here"')
    await session.start(use)
    assert (await session.wait(use.id)).exit_code == 0
    await session.remove(way.job, "put here")
    assert await session.workspace(way.job) == {"sub/file": 5}


@pytest.mark.parametrize("path", ["../x", "/etc/x", "", "a/../../x"])
async def test_no_path_leads_out_of_a_workspace(way: Way, path: str) -> None:
    ended, _ = await way.run("true")
    assert ended.exit_code == 0
    session = await way.open()
    with pytest.raises((RefusedError, TransportError, NotFoundError)):
        await session.put(way.job, path, pieces(b"x"))
    with pytest.raises((RefusedError, NotFoundError)):
        await session.remove(way.job, path)
    assert await session.workspace(way.job) == {}


async def test_the_pool_is_shown_and_changed(way: Way) -> None:
    session = await way.open()
    before = await session.pool()
    assert (before.workers, before.running) == (200, 0)
    try:
        assert (await session.set_pool(1)).workers == 1
        first = way.spec("sleep 20")
        second = replace(way.spec("true"), job=JobId(f"{way.job}b"))  # a job has one worker
        await session.start(first)
        await processes.until(way.running)
        assert (await session.start(second)).phase is Phase.RUNNING
        assert (await session.status(second.id)).waiting
        pool = await session.pool()
        assert (pool.running, pool.waiting) == (1, 1)
        await session.stop(second.id)
        assert (await session.wait(second.id)).ending in {Ending.STOP, Ending.UNSTARTED}
        await session.stop(first.id, grace=0.2)
    finally:
        await session.set_pool(200)


async def test_limits_hold_or_are_refused(way: Way) -> None:
    session = await way.open()
    spec = way.spec("sleep 0.1; echo held", limits=Limits(cpu=0.5))
    try:
        await session.start(spec)
    except RefusedError as error:
        refused = error
    else:
        ended = await session.wait(spec.id)
        assert (ended.exit_code, "cpu" in ended.means) == (0, True)
        return
    assert "cpu" in refused.message
    assert refused.hint


async def test_an_attempt_that_was_changed_on_the_way_is_refused(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await way.open()
    monkeypatch.setattr("controller.transport.agents.attempts.attempt_digest", lambda _: "0" * 64)
    spec = way.spec("true")
    with pytest.raises(RefusedError, match="planned 0000"):
        await session.start(spec)
    assert (await session.status(spec.id)).phase is Phase.NONE


@pytest.fixture
async def offering() -> AsyncIterator[tuple[AgentProcess, Way]]:
    """An agent that offers scripts, and nothing else."""
    agent = make_agent("--scripts-only")
    scripts = agent.folder / "scripts"
    scripts.mkdir(mode=0o755)
    (scripts / "greet").write_text(SCRIPT)
    (scripts / "greet").chmod(0o755)
    agent.words = (*agent.words, "--scripts", str(scripts))
    agent.listen()
    way = agent_way(agent)
    try:
        yield agent, way
    finally:
        await way.close()
        agent.remove()


async def test_scripts_are_listed_shown_run_and_reported(
    offering: tuple[AgentProcess, Way],
) -> None:
    _, way = offering
    session = await way.open()
    (script,) = await session.scripts()
    assert (script.name, script.result.type) == ("greet", ResultType.TEXT)
    source = await session.inspect("greet")
    assert source.text == SCRIPT.encode()
    assert source.script.sha256 == hashlib.sha256(SCRIPT.encode()).hexdigest()
    spec = way.spec(
        "", script="greet", script_digest=script.sha256, arguments=("you",), env={"WHO": "me"}
    )
    assert (await session.start(spec)).fresh
    ended = await session.wait(spec.id)
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 3)
    assert await output_of(session, spec.id) == b"hello you from me\n"
    report = await session.report(spec.id)
    assert report is not None
    assert (report.job, report.script.name, report.exit_code) == (way.job, "greet", 3)


FETCHED = SCRIPT.encode() + b"# " + b"x" * 3_000_000
"""A script of more than may be under way at once."""


async def test_a_script_that_is_not_offered_is_fetched_by_its_digest(way: Way) -> None:
    session = await way.open()
    digest = hashlib.sha256(FETCHED).hexdigest()
    for _ in range(2):
        spec = way.spec(
            FETCHED, script="greet", script_digest=digest, arguments=("you",), env={"WHO": "me"}
        )
        assert (await session.start(spec)).fresh
        assert (await session.start(spec)).fresh is False
        assert (await session.wait(spec.id)).exit_code == 3
        assert await output_of(session, spec.id) == b"hello you from me\n"
        report = await session.report(spec.id)
        assert report is not None
        assert (report.script.name, report.script.sha256) == ("greet", digest)


async def test_other_bytes_than_the_digest_is_of_do_not_run(way: Way) -> None:
    session = await way.open()
    for text, digest in ((FETCHED, "0" * 64), (b"", "1" * 64)):
        spec = way.spec(text, script="greet", script_digest=digest)
        with pytest.raises(RefusedError, match="cannot fetch greet"):
            await session.start(spec)
        assert (await session.status(spec.id)).phase is Phase.NONE


async def test_a_script_is_refused_that_differs_from_what_was_planned(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await way.open()
    monkeypatch.setattr("controller.transport.agents.attempts.attempt_digest", lambda _: "0" * 64)
    spec = way.spec(
        SCRIPT, script="greet", script_digest=hashlib.sha256(SCRIPT.encode()).hexdigest()
    )
    with pytest.raises(RefusedError, match="planned 0000"):
        await session.start(spec)
    assert (await session.status(spec.id)).phase is Phase.NONE


async def test_an_agent_of_scripts_does_nothing_else(offering: tuple[AgentProcess, Way]) -> None:
    _, way = offering
    session = await way.open()
    assert Offer.ONLY_SCRIPTS in session.facts.offers
    with pytest.raises(RefusedError):
        await session.start(way.spec("true"))
    with pytest.raises((RefusedError, NotFoundError)):
        await session.put(JobId("job1"), "x", pieces(b"x"))
    with pytest.raises(RefusedError):
        await session.start(way.spec("", script="../greet"))
    other = way.spec("", script="greet", script_digest="0" * 64)
    with pytest.raises(RefusedError):
        await session.start(other)
