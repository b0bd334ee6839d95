import pytest

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.jobs.link import PATIENCE, Link, Reachability
from controller.model.inventory import Server
from controller.model.observation import ServerSeen
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
    assert not rig.fleet.machine("web-1").sessions


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


async def test_the_log_does_not_hear_again_what_was_seen_before() -> None:
    rig = Rig()
    seen = [ServerSeen(server=name, at=rig.clock.now(), reached=True) for name in ("a", "b")]
    await rig.store.observations.put_servers(seen)
    reachability = Reachability(rig.equipment())
    await reachability.tell("a", None)
    await reachability.tell("b", TransportError("no", cause=Unreachable.TCP))
    assert rig.connectivity.events() == ["unreachable"]
    kept = (await rig.store.observations.servers())["b"]
    assert (kept.reached, kept.cause, kept.message) == (False, Unreachable.TCP, "no")
