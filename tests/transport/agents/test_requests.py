"""What agents may ask of a controller: their next certificate, where it said so; everything else is answered with a no, and costs little."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.clock import SystemClock
from controller.transport.agents.peer import AgentPeer
from controller.transport.agents.renewer import Renewer
from controller.wire.events import Closed, Replied
from controller.wire.handshake import Identity
from controller.wire.limits import LIMITS
from controller.wire.messages.renewal import Renew, Renewed
from controller.wire.messages.server import Failed, Unsupported
from controller.wire.messages.table import To
from controller.wire.session import Session
from tests.transport.agents.test_peer import Far

ASKED = Renew(request=b"pem")


class Asking(Far):
    """An agent that is greeted by a controller, and asks."""

    def __init__(self, renew: Renewer | None) -> None:
        super().__init__()
        me = Identity(side=To.CONTROLLER, name="main", instance="t")
        self.peer = AgentPeer("web-1", me, clock=SystemClock(), renew=renew)
        self.connect(self.peer)
        self.turn()

    @property
    def session(self) -> Session:
        assert self.link is not None
        session = self.door.session(self.link)
        assert session is not None
        return session

    async def answers(self, number: int) -> list[object]:
        """Ask so many times; give what is answered."""
        for _ in range(number):
            self.session.request(ASKED)
        for _ in range(50):
            self.turn()
            await asyncio.sleep(0)
        return [event.message for event in self.events if isinstance(event, Replied)]


@pytest.fixture
async def nobody() -> AsyncIterator[Asking]:
    """Asks a controller that renews nothing."""
    far = Asking(None)
    yield far
    await far.peer.close()


async def test_who_was_not_told_that_he_may_ask_hears_a_no(nobody: Asking) -> None:
    assert await nobody.answers(1) == [Unsupported(of="renew", why="direction")]


async def test_whoever_asks_all_the_time_is_answered_and_kept_on(nobody: Asking) -> None:
    answers = await nobody.answers(LIMITS.requests)
    assert len(answers) == LIMITS.requests
    assert not [event for event in nobody.events if isinstance(event, Closed)]
    assert nobody.peer.up


async def test_a_connection_without_a_certificate_is_signed_for_never() -> None:
    async def sign(name: str, certificate: bytes, asked: Renew) -> Renewed:
        raise AssertionError(name)

    far = Asking(sign)
    assert [type(one) for one in await far.answers(3)] == [Failed] * 3
    await far.peer.close()
