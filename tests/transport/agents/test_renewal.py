"""Renewal at the controller: what agents may ask of it, which of them it signs for, and how often."""

import asyncio
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.pki import revoking
from controller.pki.folder import LOCK, open_folder
from controller.pki.reason import Reason
from controller.transport.agents import renewal as room
from controller.transport.agents.renewal import RENEWED, Renewal, Told
from controller.wire.messages.renewal import Renew, Renewed
from controller.wire.messages.server import Failed
from tests.agent.renewal_room import NAME, age, aged_place
from tests.fakes.clocks import FakeClock
from tests.pki.place import BY, NOW, Place, forged, request


class Desk:
    """A controller that has the authority, at a time of its own."""

    def __init__(self, place: Place, *, declared: bool | None = True) -> None:
        self.place = place
        self.clock = FakeClock(NOW)
        self.told: list[Told] = []
        self.renewal = Renewal(
            place.path, clock=self.clock, declared=lambda _: declared, tell=self.told.append
        )

    async def ask(self, name: str = NAME, *, der: bytes = b"", pem: bytes = b"") -> str:
        """Ask as an agent; say how that went, in a word."""
        asked = Renew(request=pem or request())
        reply = await self.renewal(name, der or self.place.der(name), asked)
        return reply.code if isinstance(reply, Failed) else RENEWED


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return aged_place(tmp_path / "pki")


@pytest.fixture
def desk(place: Place) -> Desk:
    return Desk(place)


async def test_who_shows_a_certificate_near_its_end_gets_the_next_one(desk: Desk) -> None:
    reply = await desk.renewal(NAME, desk.place.der(NAME), Renew(request=request()))
    assert isinstance(reply, Renewed)
    assert reply.authority == desk.place.trust.read_bytes()
    assert reply.certificate == (desk.place.path / "web-1.crt").read_bytes()
    one = desk.place.ledger.of_name(NAME)[-1]
    assert desk.told == [Told(name=NAME, outcome=RENEWED, serial=one.serial, ends=one.not_after)]


async def test_two_who_renew_from_one_certificate_are_told_of(desk: Desk) -> None:
    shown = desk.place.der(NAME)
    await desk.ask(der=shown)
    desk.clock.set(NOW + room.SPACE)
    await desk.ask(der=shown)
    assert [one.beside for one in desk.told] == [0, 1]


async def test_one_agent_is_looked_at_once_a_minute(desk: Desk) -> None:
    shown, pem = desk.place.der(NAME), request()
    assert await desk.ask(der=shown, pem=pem) == RENEWED
    assert await desk.ask(der=shown, pem=pem) == "later"
    desk.clock.set(NOW + room.SPACE * 0.99)
    assert await desk.ask(der=shown, pem=pem) == "later"
    desk.clock.set(NOW + room.SPACE)
    assert await desk.ask(der=shown, pem=pem) == RENEWED
    assert len(desk.place.ledger.of_name(NAME)) == 2


async def test_a_clock_that_is_set_back_keeps_nobody_waiting(desk: Desk) -> None:
    shown, pem = desk.place.der(NAME), request()
    assert await desk.ask(der=shown, pem=pem) == RENEWED
    desk.clock.set(NOW - 60 * room.SPACE)
    assert await desk.ask(der=shown, pem=pem) == RENEWED


async def test_agents_do_not_wait_for_each_others_minute(desk: Desk) -> None:
    age(desk.place, "web-2")
    assert sorted(await asyncio.gather(desk.ask(), desk.ask("web-2"))) == [RENEWED, RENEWED]


async def test_who_was_remembered_longest_is_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "NAMES", 2)
    for name in ("a", "b", "c"):
        await desk.ask(name, der=b"no certificate")
    assert list(desk.renewal._last) == ["b", "c"]


async def test_too_many_at_once_are_told_to_wait(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WAITING", 1)
    age(desk.place, "web-2")
    assert sorted(await asyncio.gather(desk.ask(), desk.ask("web-2"))) == ["later", RENEWED]


async def test_a_server_that_is_not_declared_any_more_is_not_renewed(place: Place) -> None:
    desk = Desk(place, declared=False)
    assert await desk.ask() == "undeclared"
    why = f"cannot renew {NAME}: no such server is declared"
    assert desk.told == [Told(name=NAME, outcome="undeclared", why=why)]


async def test_while_no_declarations_are_in_force_nobodys_minute_begins(place: Place) -> None:
    desk = Desk(place, declared=None)
    assert await desk.ask() == "later"
    assert not desk.told
    assert not desk.renewal._last


async def test_where_no_authority_lies_it_says_so_and_how_else(
    place: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "handed-over"
    folder.mkdir(mode=0o700)
    renewal = Renewal(folder, clock=SystemClock(), declared=lambda _: True)
    reply = await renewal(NAME, place.der(NAME), Renew(request=request()))
    assert isinstance(reply, Failed)
    assert reply.code == "no-authority"
    assert "ctl agent install" in reply.hint
    assert list(folder.iterdir()) == []


async def test_a_missing_key_of_the_authority_is_nobodys_business(desk: Desk) -> None:
    (desk.place.path / "ca.key").unlink()
    reply = await desk.renewal(NAME, desk.place.der(NAME), Renew(request=request()))
    assert isinstance(reply, Failed)
    assert reply.code == "unavailable"
    assert str(desk.place.path) not in reply.message
    assert str(desk.place.path / "ca.key") in desk.told[0].why  # but ours


async def test_a_revoked_certificate_renews_nothing(desk: Desk) -> None:
    revoking.revoke(desk.place.path, NAME, reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)
    assert await desk.ask() == "revoked"
    why = f"cannot renew {NAME}: its certificate is revoked"
    assert desk.told == [Told(name=NAME, outcome="revoked", why=why)]


@pytest.mark.parametrize(
    ("der", "pem", "code"),
    [
        (b"", b"garbage", "refused"),
        (b"garbage", b"", "refused"),
        (forged(), b"", "unknown"),
    ],
    ids=["request", "certificate", "stranger"],
)
async def test_hostile_questions_are_refused_in_words(
    desk: Desk, der: bytes, pem: bytes, code: str
) -> None:
    assert await desk.ask(der=der, pem=pem) == code
    assert len(desk.place.ledger.of_name(NAME)) == 1


async def test_an_authority_that_is_held_by_another_is_asked_again_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.pki.folder._TRIES", 2)
    with open_folder(desk.place.path) as folder, folder.locked():
        assert LOCK in folder.names()
        assert await desk.ask() == "unavailable"
