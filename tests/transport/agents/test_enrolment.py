"""Enrolment on the agents' own listener, against strangers who mean no good."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.clock import SystemClock
from controller.pki import inviting
from controller.pki.contexts import client_context
from controller.pki.folder import LOCK, open_folder
from controller.pki.inviting import Guest
from controller.pki.role import Role
from controller.transport.agents import enrolment as room
from controller.transport.agents.enrolment import Counter, Enrolment, Heard, network_of
from controller.transport.agents.listener import AgentListener, Hooks
from controller.transport.agents.papers import Papers
from controller.wire import enrolment
from controller.wire.enrolment import (
    ALPN,
    AskAuthority,
    Authority,
    Enroll,
    Enrolled,
    Message,
    Refused,
)
from tests.pki.place import Place, founded, request

NAME = "web-1"
WRONG = f"ctle_{'0' * 12}_{'0' * 40}"


@dataclass(slots=True, kw_only=True)
class Door:
    """A listener that enrols, and what it said to its log."""

    place: Place
    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def token(self, **more: object) -> str:
        guest = Guest(name=NAME, **more)  # type: ignore[arg-type]
        return inviting.invite(self.place.path, guest, now=datetime.now(UTC), by="ops@host").token

    async def connect(self, alpn: str = ALPN) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = client_context(None, trust=self.place.trust, alpn=(alpn,))
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname="main"
        )

    async def say(self, data: bytes) -> bytes:
        """Say something; give everything that is answered."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.transport.abort()

    async def ask(self, message: Message) -> Message:
        said = await self.say(enrolment.encode(message))
        assert enrolment.read_prefix(said[:4]) == len(said) - 4
        return enrolment.decode(said[4:])

    async def code(self, token: str, name: str = NAME, pem: bytes = b"") -> str:
        asked = Enroll(token=token, name=name, request=(pem or request()).decode())
        reply = await self.ask(asked)
        return reply.code if isinstance(reply, Refused) else type(reply).__name__


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Door]:
    place = founded(folder / "pki")
    place.issue("main", Role.CONTROLLER)
    door = Door(place=place)
    hooks = Hooks(
        enroll=Enrolment(place.path, clock=SystemClock(), tell=door.heard.append),
        refused=lambda where, why: door.refused.append((where, why)),
    )
    listener = AgentListener(
        Papers(place.path, "main"), clock=SystemClock(), instance="test-1", hooks=hooks
    )
    await listener.start("127.0.0.1", 0)
    door.port = listener.port
    try:
        yield door
    finally:
        await listener.close()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(tmp_path) as made:
        yield made


async def test_who_has_a_token_gets_a_certificate_and_the_authorities(door: Door) -> None:
    told = await door.ask(AskAuthority())
    assert told == Authority(authority=door.place.trust.read_text())
    asked = Enroll(token=door.token(), name=NAME, request=request().decode())
    reply = await door.ask(asked)
    assert isinstance(reply, Enrolled)
    assert reply.authority == told.authority
    assert reply.certificate == (door.place.path / "web-1.crt").read_text()
    assert await door.ask(asked) == reply
    assert [one.outcome for one in door.heard] == ["enrolled", "enrolled"]


async def test_without_a_certificate_nothing_but_enrolment_is_spoken(door: Door) -> None:
    reader, writer = await door.connect("ctl/1")
    with contextlib.suppress(OSError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.transport.abort()
    with contextlib.suppress(OSError):  # some libraries end the handshake, others what follows
        reader, writer = await door.connect("h2")
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert door.heard == []
    assert len(door.refused) == 2


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"\xff\xff\xff\xff", "says 4294967295 bytes"),
        (b"\x00\x00\x00\x00", "says 0 bytes"),
        (b"\x00\x00\x00\x02[]", "is no message"),
        (b"\x00\x00\x00\x03{} ", "is no message"),
        (b"\x00\x00\x00\x02\xff\xff", "is no JSON"),
        (b"\x00\x00\xff\xff" + b"[" * 65535, "is no JSON"),
    ],
    ids=["large", "empty", "array", "object", "bytes", "deep"],
)
async def test_garbage_is_not_answered(door: Door, data: bytes, outcome: str) -> None:
    with contextlib.suppress(OSError):
        assert await door.say(data) == b""
    assert outcome in door.heard[0].outcome


async def test_a_message_for_an_agent_is_refused(door: Door) -> None:
    assert await door.ask(Refused(code="x", message="y")) == Refused(
        code="wrong-message", message="cannot understand: nothing is asked"
    )


async def test_who_is_slow_is_let_go_and_keeps_nobody_waiting(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "SECONDS", 0.5)
    slow = [await door.connect() for _ in range(8)]
    for _, writer in slow:
        writer.write(b"\x00\x00")
    assert await asyncio.wait_for(door.code(door.token()), 5) == "Enrolled"
    for reader, writer in slow:
        with contextlib.suppress(OSError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.transport.abort()
    assert sum(one.outcome == "it was too slow" for one in door.heard) == 8


async def test_who_guesses_is_slowed_down_and_the_token_stays_good(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [await door.code(WRONG) for _ in range(room.WRONG)]
    assert codes == ["unknown-token"] * room.WRONG
    token = door.token()
    assert await door.code(token) == "later"
    monkeypatch.setattr(room, "WITHIN", timedelta(0))
    assert await door.code(token) == "Enrolled"


async def test_known_tokens_do_not_count_as_guesses(door: Door) -> None:
    token = door.token()
    codes = [await door.code(token, "web-2") for _ in range(room.WRONG + 1)]
    assert codes == ["wrong-name"] * (room.WRONG + 1)


async def test_what_is_wrong_with_our_own_files_is_nobodys_business(door: Door) -> None:
    token = door.token()
    (door.place.path / "invitations").write_text("{")
    reply = await door.ask(Enroll(token=token, name=NAME, request=request().decode()))
    assert isinstance(reply, Refused)
    assert reply.code == "unavailable"
    assert str(door.place.path) not in reply.message + reply.hint


async def test_an_authority_that_is_held_is_waited_for(door: Door) -> None:
    token = door.token()
    with open_folder(door.place.path) as folder:
        with folder.locked():
            asking = asyncio.create_task(door.code(token))
            await asyncio.sleep(0.3)
            assert not asking.done()
            assert isinstance(await door.ask(AskAuthority()), Authority)
        assert await asyncio.wait_for(asking, 10) == "Enrolled"
    assert (door.place.path / LOCK).exists()


def test_wrong_tokens_are_counted_by_address_and_the_count_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    counter = Counter()
    for _ in range(room.WRONG):
        assert not counter.many("192.0.2.1", now)
        counter.add("192.0.2.1", now)
    assert counter.many("192.0.2.1", now)
    assert not counter.many("192.0.2.2", now)
    assert not counter.many("192.0.2.1", now + room.WITHIN)
    monkeypatch.setattr(room, "ADDRESSES", 2)
    for number in range(10):
        counter.add(f"192.0.2.{number}", now)
    assert len(counter._times) == 2


def test_an_ipv6_stranger_counts_by_network() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::2:3%eth0") == "2001:db8::/64"
    assert network_of("x" * 100) == "x" * 64


texts = st.text(max_size=50)


@given(texts, texts, texts)
def test_what_is_written_is_read_back(token: str, name: str, pem: str) -> None:
    for message in (
        AskAuthority(),
        Enroll(token=token, name=name, request=pem),
        Enrolled(certificate=token, authority=pem),
        Refused(code=name, message=token, hint=pem),
    ):
        data = enrolment.encode(message)
        assert enrolment.read_prefix(data[:4]) == len(data) - 4
        assert enrolment.decode(data[4:]) == message


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_message_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert type(enrolment.decode(data)) in enrolment.KINDS.values()


def test_what_is_too_large_is_not_written() -> None:
    with pytest.raises(ValueError, match="more than 65536"):
        enrolment.encode(Authority(authority="x" * 70_000))
