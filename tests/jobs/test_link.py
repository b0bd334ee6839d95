import pytest

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.jobs.link import PATIENCE, Link, Reachability
from controller.model.inventory import Server
from controller.transport.port import Session
from tests.jobs.rig import Rig

SERVER = Server(name="web-1", address="web-1")


def link(rig: Rig) -> Link:
    return Link(rig.equipment(), SERVER, Reachability(rig.equipment()))


async def boot(session: Session) -> str:
    return session.facts.boot_id


async def test_one_session_is_shared_and_opened_again_when_it_breaks() -> None:
    rig = Rig()
    way = link(rig)
    assert await way.session() is await way.session()
    broken = True

    async def act(session: Session) -> str:
        nonlocal broken
        if broken:
            broken = False
            raise SessionLostError("gone", cause=Unreachable.LOST)
        return session.facts.boot_id

    first = await way.session()
    assert await way.through(act) == "web-1-boot-1"
    assert await way.session() is not first
    await way.close()
    assert not rig.fleet.machine("web-1").sessions - {first}


async def test_silence_is_borne_for_so_long_and_no_longer() -> None:
    rig = Rig()
    rig.fleet.lay_down("web-1", Unreachable.AUTH)
    began = rig.clock.now()
    with pytest.raises(TransportError) as caught:
        await link(rig).through(boot)
    assert caught.value.cause is Unreachable.AUTH
    waited = (rig.clock.now() - began).total_seconds()
    assert PATIENCE <= waited <= PATIENCE + 60
    assert rig.connectivity.events() == ["unreachable"]


async def test_the_log_hears_of_changes_only() -> None:
    rig = Rig()
    reachability = Reachability(rig.equipment())
    down = TransportError("no", cause=Unreachable.TCP)
    for error in (None, None, down, down, TransportError("no", cause=Unreachable.DNS), None):
        await reachability.tell("web-1", error)
    assert rig.connectivity.events() == ["reached", "unreachable", "unreachable", "reached"]
