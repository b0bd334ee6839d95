"""Scripts that an agent fetches: what it was asked to run and nothing else, at its own pace, and nobody waits for it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from controller.clock import SystemClock
from controller.transport.agents import scripts
from controller.transport.agents.peer import AgentPeer
from controller.wire.events import StreamCancelled, StreamData, StreamEnded
from controller.wire.handshake import Identity
from controller.wire.messages.streams import OpenScript
from controller.wire.messages.table import To
from controller.wire.session import Session
from tests.transport.agents.test_peer import Far

TEXT = b"#!/bin/sh\n" + bytes(range(256)) * 8000
DIGEST = hashlib.sha256(TEXT).hexdigest()


class Greeted(Far):
    """An agent that is greeted, and the peer that it is to the controller."""

    def __init__(self) -> None:
        super().__init__()
        me = Identity(side=To.CONTROLLER, name="main", instance="t")
        self.peer = AgentPeer("web-1", me, clock=SystemClock())
        self.connect(self.peer)
        self.turn()


@pytest.fixture
async def far() -> AsyncIterator[Greeted]:
    """One of them."""
    one = Greeted()
    yield one
    await one.peer.close()


def session_of(far: Greeted) -> Session:
    assert far.link is not None
    session = far.door.session(far.link)
    assert session is not None
    return session


async def turned(far: Greeted) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
        far.turn()


async def fetched(far: Greeted, digest: str, *, offset: int = 0) -> tuple[bytes, object]:
    """Read a script as an agent does; give its bytes and how it ended."""
    session = session_of(far)
    number = session.open(OpenScript(sha256=digest, offset=offset))
    session.grant(number, 1 << 16)
    taken = b""
    for _ in range(200):
        await turned(far)
        events, far.events = far.events, []
        for event in events:
            if isinstance(event, StreamData):
                taken += event.data
                session.grant(number, len(event.data))
            if isinstance(event, StreamEnded | StreamCancelled):
                return taken, event
    raise AssertionError(len(taken))


async def test_a_script_is_sent_to_the_end_while_it_is_lent_and_not_after(far: Greeted) -> None:
    scripts = far.peer.talk.scripts
    with scripts.lend(TEXT), scripts.lend(TEXT), scripts.lend(b"other"):
        taken, end = await fetched(far, DIGEST)
        assert taken == TEXT
        assert isinstance(end, StreamEnded)
        assert (end.length, end.sha256) == (len(TEXT), DIGEST)
        taken, _ = await fetched(far, DIGEST, offset=2_000_000)
        assert taken == TEXT[2_000_000:]
        assert (await fetched(far, DIGEST, offset=1 << 60))[0] == b""
    taken, end = await fetched(far, DIGEST)
    assert taken == b""
    assert isinstance(end, StreamCancelled)
    assert end.code == "not-found"


@pytest.mark.parametrize("digest", ["", "0" * 64, "../x", DIGEST.upper(), "x" * 60_000])
async def test_what_was_not_sent_by_name_does_not_exist(far: Greeted, digest: str) -> None:
    with far.peer.talk.scripts.lend(TEXT), far.peer.talk.scripts.lend(b""):
        _, end = await fetched(far, digest)
    assert isinstance(end, StreamCancelled)
    assert end.code == "not-found"


async def test_an_agent_that_takes_nothing_is_given_up(
    far: Greeted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "SCRIPT_SECONDS", 0.05)
    session = session_of(far)
    with far.peer.talk.scripts.lend(TEXT):
        for _ in range(20):
            session.open(OpenScript(sha256=DIGEST))
        await turned(far)
    await asyncio.sleep(0.1)
    await turned(far)
    codes = [one.code for one in far.events if isinstance(one, StreamCancelled)]
    assert codes == ["late"] * 20
    assert not far.peer.talk.scripts._serving
    assert not far.peer.talk._streams


async def test_nothing_is_left_of_a_script_when_the_era_ends(far: Greeted) -> None:
    session = session_of(far)
    with far.peer.talk.scripts.lend(TEXT):
        session.open(OpenScript(sha256=DIGEST))
        await turned(far)
        assert far.peer.talk.scripts._serving
        far.peer.give_up("the test says so")
        await asyncio.sleep(0.01)
    assert not far.peer.talk.scripts._serving
    assert not far.peer.talk._streams
