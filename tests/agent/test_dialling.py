"""An agent that dials its controller: directly, through proxies good and bad, again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.agent import dialling
from controller.agent.dialling import Wait
from controller.agent.values import Address
from controller.pki.role import Role
from controller.wire.messages.attempts import Attempt, Start
from controller.wire.messages.greetings import Goodbye
from controller.wire.messages.server import GetPool, Pool
from tests.agent.daemon_room import Room, make_room
from tests.fakes.agents import Caller, Hall, who

LOCAL = "127.0.0.1"
Proxy = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    made = make_room(tmp_path)
    made.place.issue("near", Role.CONTROLLER, alternatives=("DNS:localhost", "IP:127.0.0.1"))
    made.settings = replace(made.settings, listen=None)
    monkeypatch.setattr(dialling, "FIRST", 0.02)
    return made


def at(port: int, host: str = LOCAL) -> Address:
    return Address(host=host, port=port)


async def test_an_agent_dials_and_the_controller_asks(room: Room) -> None:
    async with Hall(who(room.place, "near")) as hall, room.run(connect=at(hall.port)):
        caller = await hall.caller()
        assert await caller.ask(GetPool()) == Pool(workers=1)
        asker, _ = room.answers.asked[0]
        assert (asker.name, asker.role) == ("near", "controller")
        await caller.until(lambda: bool(caller.beats), 2)


async def test_an_agent_finds_its_controller_whenever_it_comes(room: Room) -> None:
    hall = Hall(who(room.place, "near"))
    await hall.listen()
    port = hall.port
    await hall.close()
    async with room.run(connect=at(port)):
        await room.until(lambda: room.log.has("cannot reach", "connection refused"))
        await hall.listen(port)
        caller = await hall.caller()
        asked = caller.asking(Start(id="j.1", job="j"))
        await hall.close()
        await hall.listen(port)
        reply = await asyncio.wait_for(asked, 10)
        assert isinstance(reply, Attempt)
        assert room.answers.started == ["j.1"]
        assert caller.opened[-1].resumed
        await hall.close()
        await hall.listen(port)
        await room.until(lambda: len(caller.opened) >= 3)
        await hall.close()


async def test_reconnect_dials_at_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "FIRST", 3_600.0)
    async with Hall(who(room.place, "near")) as hall, room.run(connect=at(hall.port)):
        caller = await hall.caller()
        for turn in range(2, 5):
            caller._heed(caller.session.close(Goodbye(reason="reconnect")))
            caller.flush()
            await caller.until(lambda turn=turn: len(caller.opened) == turn)  # type: ignore[misc]
        assert await caller.ask(GetPool()) == Pool(workers=1)


@pytest.mark.parametrize(
    ("name", "host", "words"),
    [
        ("main", LOCAL, "ip address mismatch"),
        ("ana", LOCAL, "its certificate is not accepted"),
        ("web-9", LOCAL, "agent web-9 is not controller"),
    ],
)
async def test_an_agent_follows_nobody_but_the_controller_it_dialled(
    room: Room, name: str, host: str, words: str
) -> None:
    room.place.issue("web-9", alternatives=("IP:127.0.0.1",))
    async with Hall(who(room.place, name)) as hall, room.run(connect=at(hall.port, host)):
        await room.until(lambda: room.log.has("cannot reach", words))
        assert not hall.callers or not hall.callers["web-1"].opened


async def test_a_controller_of_another_authority_is_not_followed(
    room: Room, tmp_path: Path
) -> None:
    (tmp_path / "two").mkdir()
    other = make_room(tmp_path / "two")
    other.place.issue("near", Role.CONTROLLER, alternatives=("IP:127.0.0.1",))
    async with Hall(who(other.place, "near")) as hall, room.run(connect=at(hall.port)):
        await room.until(lambda: room.log.has("cannot reach", "its certificate is not accepted"))


async def test_an_agent_whose_certificate_is_refused_says_so(room: Room, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    other = make_room(tmp_path / "two")
    (tmp_path / "pki/ca.crt").write_bytes(
        room.place.trust.read_bytes()
    )  # it trusts the controller, who does not trust it
    for end in ("crt", "key"):
        (tmp_path / f"pki/web-1.{end}").write_bytes(
            (other.place.path / f"web-1.{end}").read_bytes()
        )
    async with Hall(who(room.place, "near")) as hall, room.run(connect=at(hall.port)):
        await room.until(lambda: room.log.has("127.0.0.1", "lost") or room.log.has("cannot reach"))
        assert "web-1" not in hall.callers


def test_waits_grow_to_a_minute_and_are_spread() -> None:
    rounds = []
    for _ in range(200):
        wait = Wait()
        rounds.append([wait.next() for _ in range(20)])
    for place in range(20):
        bound = min(60.0, 2.0**place)
        found = [one[place] for one in rounds]
        assert 0 <= min(found) < bound / 4
        assert bound * 3 / 4 < max(found) < bound


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By how much each wait so far has grown."""
    grown: list[int] = []
    draw = Wait.next

    def next_one(wait: Wait) -> float:
        grown.append(wait._failed)
        return draw(wait)

    monkeypatch.setattr(Wait, "next", next_one)
    return grown


async def test_an_agent_that_cannot_keep_a_lease_dials_ever_more_seldom_until_it_can(
    room: Room, rounds: list[int]
) -> None:
    """As on a full disk: the controller is told each time, the log once, and it ends by itself."""
    in_the_way = Path(room.settings.state) / ".leases.json.new"
    in_the_way.mkdir(parents=True)
    me = who(room.place, "near")
    async with Hall(me) as hall:
        hall.callers["web-1"] = caller = Caller(me, cluster="c", lease=3)
        async with room.run(connect=at(hall.port)):
            await room.until(lambda: len(rounds) >= 4)
            assert rounds[:4] == [0, 1, 2, 3]
            assert not caller.opened
            assert {one.message.partition(":")[0] for one in caller.goodbyes} == {
                "cannot keep on disk that it may act"
            }
            told = [line for line in room.log.lines if "dials 127" not in line]
            assert len(told) == 1, told
            assert "cannot keep lease 3 of controller near" in told[0]
            in_the_way.rmdir()
            await hall.caller()
            assert room.log.has("holds lease 3")


async def test_a_line_that_is_only_cut_is_dialled_as_soon_as_before(
    room: Room, rounds: list[int]
) -> None:
    me = who(room.place, "near")
    async with Hall(me) as hall:
        hall.callers["web-1"] = caller = Caller(me, cluster="c", lease=3)
        async with room.run(connect=at(hall.port)):
            for turn in range(1, 5):
                await room.until(lambda turn=turn: len(caller.opened) == turn)  # type: ignore[misc]
                caller.cut()
            await room.until(lambda: len(rounds) >= 4)
            assert rounds[:4] == [0, 0, 0, 0]


# proxies


@contextlib.asynccontextmanager
async def proxy(serve: Proxy) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the test is over
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(take, LOCAL, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_proxy_leads_to_the_controller_by_name(room: Room) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        host, port = heads[-1].split()[1].decode().rsplit(":", 1)
        there, back = await asyncio.open_connection(host, int(port))
        for piece in (b"HTTP/1.1 200 Conn", b"ection established\r\nVia: x\r\n", b"\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        try:
            await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
        finally:
            back.transport.abort()

    async with (
        Hall(who(room.place, "near")) as hall,
        proxy(serve) as port,
        room.run(connect=at(hall.port, "localhost"), proxy=at(port)),
    ):
        caller = await hall.caller()
        assert await caller.ask(GetPool()) == Pool(workers=1)
        assert heads == [
            f"CONNECT localhost:{hall.port} HTTP/1.1\r\nHost: localhost:{hall.port}\r\n\r\n".encode()
        ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "hung up before it answered"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants a password (407)"),
        (b"HTTP/1.1 503 \x1b[2J\r\n\r\n", "refuses with status 503"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "answer is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000, "has no end within 8192 bytes"),
        (b"A" * 100_000, "has no end within 8192 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03", "says more than its answer"),
    ],
)
async def test_a_proxy_that_says_anything_else_is_named_in_the_log(
    room: Room, answer: bytes, words: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.write_eof()
        await reader.read()

    async with proxy(serve) as port, room.run(connect=at(9), proxy=at(port)):
        await room.until(lambda: room.log.has(f"through 127.0.0.1:{port}", words))
    assert "\x1b" not in room.log.getvalue()


async def test_a_proxy_that_says_nothing_is_given_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "PATIENCE", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.sleep(3_600)

    async with proxy(serve) as port, room.run(connect=at(9), proxy=at(port)):
        await room.until(lambda: room.log.has("the proxy does not answer"))


async def test_a_controller_that_takes_the_connection_and_says_nothing_is_given_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "PATIENCE", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3_600)

    async with proxy(serve) as port, room.run(connect=at(port)):
        await room.until(lambda: room.log.has("cannot reach", "no handshake"))
