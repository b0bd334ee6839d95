"""Enrolment from end to end: the real openssl, real TLS on loopback, the listener's own handler, and hostile ends of both kinds."""

import asyncio
import shutil
import signal
import socket
import ssl
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.agent import asking, enrolling, openssl
from controller.agent.errors import EnrolmentError, SettingsError
from controller.agent.packing import pack_agent
from controller.clock import SystemClock
from controller.pki import inviting
from controller.pki.contexts import Clients, server_context
from controller.pki.details import details
from controller.pki.inviting import Guest, Invited
from controller.pki.role import Role
from controller.transport.agents.enrolment import Enrolment, Heard
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
from tests.agent.test_packing import interpreters
from tests.pki.place import Place, founded, request, verify

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NAME = "web-1"


@dataclass(slots=True, kw_only=True)
class World:
    """An authority, a controller with a certificate of it, and a server that has nothing yet."""

    place: Place
    keys: Path
    heard: list[Heard]

    def invite(self, **more: object) -> Invited:
        guest = Guest(name=NAME, **more)  # type: ignore[arg-type]
        return inviting.invite(self.place.path, guest, now=datetime.now(UTC), by="ops@host")

    @property
    def pin(self) -> str:
        return details(self.place.ledger.newest.certificate, where="ca").pin

    def context(self, name: str = "main", *, alpn: str = ALPN) -> ssl.SSLContext:
        own = self.place.identity(name)
        return server_context(
            own, trust=self.place.trust, clients=Clients.OPTIONAL, alpn=("ctl/1", alpn)
        )

    def words(self, port: int, token: str, **more: str) -> list[str]:
        said = {"connect": f"127.0.0.1:{port}", "name": NAME, "pki": str(self.keys)}
        said |= {"token": token, "ca-pin": self.pin, **more}
        return [f"--{name}={value}" for name, value in said.items()]

    async def enroll(self, port: int, token: str, **more: str) -> list[str]:
        """Do what the agent's verb does, beside this test."""
        return await asyncio.to_thread(
            lambda: list(enrolling.enroll_here(self.words(port, token, **more)))
        )

    def left(self) -> list[str]:
        return sorted(one.name for one in self.keys.iterdir()) if self.keys.exists() else []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(enrolling, "PAUSE", 0.01)
    place = founded(tmp_path / "pki")
    place.issue("main", Role.CONTROLLER, alternatives=("127.0.0.1",))
    return World(place=place, keys=tmp_path / "keys", heard=[])


@asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Listen on loopback meanwhile; gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except OSError:
            pass  # the other end left, as many do here
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in [*tasks]:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def controller(world: World, name: str = "main") -> AsyncIterator[int]:
    """Let the real handler answer."""
    enroller = Enrolment(world.place.path, clock=SystemClock(), tell=world.heard.append)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await enroller(reader, writer, "127.0.0.1")
        writer.close()
        await writer.wait_closed()

    async with listening(handle, world.context(name)) as port:
        yield port


def answering(*replies: Message | bytes | None) -> Handler:
    """Answer each connection in turn with these, the last again and again; None hangs up."""
    left = list(replies)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = enrolment.read_prefix(await reader.readexactly(enrolment.PREFIX))
        await reader.readexactly(size)
        reply = left.pop(0) if len(left) > 1 else left[0]
        if reply is not None:
            writer.write(reply if isinstance(reply, bytes) else enrolment.encode(reply))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    return handle


async def test_a_server_makes_its_key_and_gets_its_certificate(world: World) -> None:
    made = world.invite()
    async with controller(world) as port:
        told = await world.enroll(port, made.token)
    assert world.left() == ["ca.crt", "web-1.crt", "web-1.key"]
    assert stat.S_IMODE(world.keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((world.keys / "web-1.key").stat().st_mode) == 0o600
    assert verify(world.keys / "ca.crt", world.keys / "web-1.crt").endswith("OK\n")
    assert not (world.place.path / "web-1.key").exists()
    assert "wrote" in told[0]
    one = world.place.ledger.of_name(NAME)[0]
    assert [(one.peer, one.outcome) for one in world.heard] == [("127.0.0.1", "enrolled")]
    assert world.heard[0].serial == one.serial


async def test_a_certificate_is_renewed_by_a_new_token_and_the_old_pair_stays_until_then(
    world: World,
) -> None:
    async with controller(world) as port:
        await world.enroll(port, world.invite().token)
        before = (world.keys / "web-1.key").read_bytes()
        with pytest.raises(EnrolmentError, match="unknown-token"):
            await world.enroll(port, world.invite(renew=True).token[:-4] + "0000")
        assert (world.keys / "web-1.key").read_bytes() == before
        await world.enroll(port, world.invite(renew=True).token)
    assert (world.keys / "web-1.key").read_bytes() != before
    assert verify(world.keys / "ca.crt", world.keys / "web-1.crt").endswith("OK\n")
    assert world.left() == ["ca.crt", "web-1.crt", "web-1.key"]


@pytest.mark.parametrize("code", ["unknown-token", "expired-token", "used-token", "wrong-name"])
async def test_a_token_that_is_worth_nothing_is_refused_and_leaves_nothing(
    world: World, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = world.invite().token
    if code == "unknown-token":
        token = f"ctle_{'0' * 12}_{'0' * 40}"
    if code == "used-token":
        shown = inviting.Showing(token=token, name=NAME, request=request())
        inviting.redeem(world.place.path, shown, now=datetime.now(UTC))
    if code == "expired-token":
        later = datetime.now(UTC) + timedelta(days=2)
        monkeypatch.setattr(SystemClock, "now", lambda _: later)
    name = "web-2" if code == "wrong-name" else NAME
    async with controller(world) as port:
        with pytest.raises(EnrolmentError, match=code):
            await world.enroll(port, token, name=name)
    assert world.left() == []


async def test_a_controller_with_another_authority_never_sees_the_token(
    world: World, tmp_path: Path
) -> None:
    hostile = replace(world, place=founded(tmp_path / "hostile"))
    hostile.place.issue("main", Role.CONTROLLER, alternatives=("127.0.0.1",))
    seen: list[bytes] = []
    ours = world.place.trust.read_text()
    theirs = hostile.place.trust.read_text()

    def handler(bundle: str) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            size = enrolment.read_prefix(await reader.readexactly(enrolment.PREFIX))
            seen.append(await reader.readexactly(size))
            writer.write(enrolment.encode(Authority(authority=bundle)))
            await writer.drain()

        return handle

    token = world.invite().token
    async with listening(handler(theirs), hostile.context()) as port:
        with pytest.raises(EnrolmentError, match="shows no authority with the pin"):
            await world.enroll(port, token)
    async with listening(handler(theirs + ours), hostile.context()) as port:
        with pytest.raises(
            EnrolmentError, match=r"cannot trust 127\.0\.0\.1:[0-9]+: its certificate"
        ):
            await world.enroll(port, token)
    assert len(seen) == 2
    assert not any(token.encode() in one for one in seen)
    assert world.left() == []


async def test_a_wrong_pin_is_no_pin(world: World) -> None:
    async with controller(world) as port:
        with pytest.raises(EnrolmentError, match="no authority with the pin"):
            await world.enroll(port, world.invite().token, **{"ca-pin": "sha256:" + "0" * 64})
        with pytest.raises(SettingsError, match="cannot use the pin"):
            await world.enroll(port, "x", **{"ca-pin": "sha1:abc"})
    assert world.left() == []


async def test_a_certificate_of_another_machine_is_no_controllers(world: World) -> None:
    world.place.issue("web-9", Role.AGENT, alternatives=("127.0.0.1",))
    async with controller(world, "web-9") as port:
        with pytest.raises(EnrolmentError, match="not that of a controller"):
            await world.enroll(port, world.invite().token)
    assert world.left() == []


async def test_a_controller_of_another_name_is_refused(world: World) -> None:
    world.place.issue("other", Role.CONTROLLER)
    async with controller(world, "other") as port:
        with pytest.raises(EnrolmentError, match="cannot trust"):
            await world.enroll(port, world.invite().token)
    assert world.left() == []


async def test_who_does_not_speak_enrolment_is_told_from_who_does(world: World) -> None:
    async with listening(answering(None), world.context(alpn="http/1.1")) as port:
        with pytest.raises(EnrolmentError, match=r"cannot speak TLS|nobody listens for agents"):
            await world.enroll(port, "t")
    async with listening(answering(None), None) as port:
        with pytest.raises(EnrolmentError, match="cannot"):
            await world.enroll(port, "t")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(EnrolmentError, match="cannot reach"):
            await world.enroll(free.getsockname()[1], "t")
    assert world.left() == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"\xff\xff\xff\xff", "says 4294967295 bytes"),
        (b"\x00\x00\x00\x00", "says 0 bytes"),
        (b"\x00\x00\x00\x02{]", "is no JSON"),
        (b"\x00\x00\x00\x02{}", "is no message of enrolment"),
        (b'\x00\x00\x00\x13{"kind":"enrolled"}', "misses a field"),
        (Authority(authority=""), "answers something else"),
        (Refused(code="x\x1b[2J", message="y\x07"), "y\\\\x07"),
        (Enrolled(certificate="", authority=""), "no certificate|cannot use"),
        (Enrolled(certificate="garbage", authority="garbage"), "cannot use"),
    ],
)
async def test_an_answer_that_is_none_changes_nothing(
    world: World, reply: Message | bytes, words: str
) -> None:
    trust = Authority(authority=world.place.trust.read_text())
    async with listening(answering(trust, reply), world.context()) as port:
        with pytest.raises(EnrolmentError, match=words):
            await world.enroll(port, world.invite().token)
    assert world.left() == []


@pytest.mark.parametrize(
    "of",
    ["another key", "another name", "only a further name", "another role", "another authority"],
)
async def test_a_certificate_that_does_not_fit_is_not_used(
    world: World, of: str, tmp_path: Path
) -> None:
    bundle = world.place.trust.read_text()
    other = founded(tmp_path / "hostile")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = enrolment.read_prefix(await reader.readexactly(enrolment.PREFIX))
        asked = enrolment.decode(await reader.readexactly(size))
        reply: Message = Authority(authority=bundle)
        if isinstance(asked, Enroll):
            pem = request() if of == "another key" else asked.request.encode()
            place = other if of == "another authority" else world.place
            role = Role.CONTROLLER if of == "another role" else Role.AGENT
            name = "web-2" if "name" in of else NAME
            more = (NAME,) if of == "only a further name" else ()
            one = place.issue(name, role, request=pem, alternatives=more)
            reply = Enrolled(certificate=one.certificate, authority=bundle)
        writer.write(enrolment.encode(reply))
        await writer.drain()

    async with listening(handle, world.context()) as port:
        with pytest.raises(EnrolmentError, match="cannot use the certificate"):
            await world.enroll(port, world.invite().token)
    assert world.left() == []


async def test_an_answer_without_end_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolling, "PATIENCE", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((60_000).to_bytes(4, "big"))
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with listening(drip, world.context()) as port:
        with pytest.raises(EnrolmentError, match="did not end"):
            await world.enroll(port, world.invite().token)
    assert world.left() == []


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(world: World) -> None:
    made = world.invite()
    lost: list[int] = []
    enroller = Enrolment(world.place.path, clock=SystemClock(), tell=world.heard.append)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(lost) == 1:  # the second connection is the first that brings a token
            writer = _Deaf(writer)  # type: ignore[assignment]
        lost.append(1)
        await enroller(reader, writer, "127.0.0.1")
        writer.close()

    async with listening(handle, world.context()) as port:
        await world.enroll(port, made.token)
    assert [one.outcome for one in world.heard] == ["enrolled", "enrolled"]
    assert len(world.place.ledger.of_name(NAME)) == 1
    assert world.left() == ["ca.crt", "web-1.crt", "web-1.key"]


async def test_when_no_answer_comes_at_all_the_key_waits_for_the_next_run(world: World) -> None:
    made = world.invite()
    trust = Authority(authority=world.place.trust.read_text())
    async with listening(answering(trust, None), world.context()) as port:
        with pytest.raises(asking.LostError, match="hung up, before it answered"):
            await world.enroll(port, made.token)
    assert world.left() == [".web-1.key.new"]
    key = (world.keys / ".web-1.key.new").read_bytes()
    with socket.socket() as free:  # whoever is not even reached takes nothing away
        free.bind(("127.0.0.1", 0))
        with pytest.raises(EnrolmentError, match="cannot reach"):
            await world.enroll(free.getsockname()[1], made.token)
    async with controller(world) as port:
        await world.enroll(port, made.token)
    assert (world.keys / "web-1.key").read_bytes() == key


class _Deaf:
    """A writer whose bytes are lost."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.transport = writer.transport

    def write(self, _: bytes) -> None:
        self.transport.abort()

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


async def test_without_openssl_it_stops_with_the_remedy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssl, "find", lambda: None)
    async with controller(world) as port:
        with pytest.raises(EnrolmentError, match="openssl is not installed") as told:
            await world.enroll(port, world.invite().token)
    assert "ctl agent install --on SERVER" in str(told.value.hint)
    assert "ctl pki issue NAME --role agent --out DIR" in str(told.value.hint)
    assert world.left() == []


@pytest.mark.parametrize("python", interpreters())
async def test_the_packed_verb_enrols_through_a_proxy_with_a_token_from_a_file(
    world: World, tmp_path: Path, python: str
) -> None:
    packed = tmp_path / "ctl-agent.pyz"
    packed.write_bytes(pack_agent())
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.split(b"\r\n")[0])
        host, _, port = head.split()[1].rpartition(b":")
        there, back = await asyncio.open_connection(host.decode(), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pipe(reader, back), pipe(there, writer), return_exceptions=True)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 14):
            writer.write(data)
            await writer.drain()
        writer.close()

    (tmp_path / "token").write_text(world.invite().token + "\n")
    async with controller(world) as port, listening(proxy, None) as by:
        words = [one for one in world.words(port, "") if not one.startswith("--token")]
        process = await asyncio.create_subprocess_exec(
            *(python, "-I", "-S", str(packed), "enroll", *words),
            *(f"--token-file={tmp_path / 'token'}", f"--proxy=127.0.0.1:{by}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"web-1.crt" in out
    assert seen == [f"CONNECT 127.0.0.1:{port} HTTP/1.1".encode()] * 2


async def test_killed_in_the_middle_it_can_be_done_again(world: World) -> None:
    made = world.invite()
    reached = asyncio.Event()
    trust = Authority(authority=world.place.trust.read_text())

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = enrolment.read_prefix(await reader.readexactly(enrolment.PREFIX))
        if isinstance(enrolment.decode(await reader.readexactly(size)), AskAuthority):
            writer.write(enrolment.encode(trust))
            await writer.drain()
            return
        reached.set()
        await reader.read()

    async with listening(stall, world.context()) as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "controller.agent", "enroll", *world.words(port, made.token))
        )
        await asyncio.wait_for(reached.wait(), 20)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with controller(world) as port:
        await world.enroll(port, made.token)
    assert world.left() == ["ca.crt", "web-1.crt", "web-1.key"]


def test_what_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--connect.*--name.*--token.*--ca-pin") as told:
        list(enrolling.enroll_here([f"--pki={tmp_path}"]))
    assert "ctl pki invite" in str(told.value.hint)
    for words in (["--token", "a", "--token", "b"], ["--token"], ["--token-file=/none/x"]):
        with pytest.raises(SettingsError):
            enrolling.read_wish(words)


async def test_of_two_servers_with_one_token_one_enrols(world: World, tmp_path: Path) -> None:
    made = world.invite()
    both = [replace(world, keys=tmp_path / name) for name in ("one", "two")]
    async with controller(world) as port:
        done = await asyncio.gather(
            *(one.enroll(port, made.token) for one in both), return_exceptions=True
        )
    failed = [one for one in done if isinstance(one, EnrolmentError)]
    assert len(failed) == 1
    assert "used-token" in failed[0].message
    assert sorted(len(one.left()) for one in both) == [0, 3]
