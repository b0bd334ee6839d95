"""Who gets through an agent's door, who does not, and that the latter never keep the former waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from controller.agent import daemon as daemon_module
from controller.agent.daemon import Daemon
from controller.agent.errors import AgentError
from controller.agent.log import Log
from controller.agent.values import Address
from controller.pki import founding, issuing, revoking
from controller.pki.contexts import Identity as Certificate
from controller.pki.reason import Reason
from controller.pki.role import Role
from controller.wire.limits import Limits
from controller.wire.messages.server import GetPool, Pool
from tests.agent.daemon_room import Room, SmallAnswers, give, make_room
from tests.fakes.agents import Caller, Who, dial, who
from tests.pki.place import BY, CN, NOW, ORG, OU, Place, founded

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


def signed(
    place: Place,
    names: Sequence[tuple[x509.ObjectIdentifier, str]],
    *,
    usages: Sequence[x509.ObjectIdentifier] = CLIENT,
    alternatives: Sequence[x509.GeneralName] = (),
    days: tuple[float, float] = (-1, 1),
    by_itself: bool = False,
) -> Who:
    """Make a certificate that the authority would never sign, with its very key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(oid, text, _validate=False) for oid, text in names])
    root = x509.load_pem_x509_certificate(place.trust.read_bytes())
    private = serialization.load_pem_private_key((place.path / "ca.key").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    signer = key if by_itself else private
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by_itself else root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    folder = place.path.parent / f"strange-{key.private_numbers().private_value:x}"[:40]
    folder.mkdir(exist_ok=True)
    certificate, secret = folder / "x.crt", folder / "x.key"
    made = builder.sign(signer, hashes.SHA256())
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    secret.chmod(0o600)
    name = next(text for oid, text in names if oid == CN)
    return Who(
        name=name, certificate=Certificate(certificate=certificate, key=secret), trust=place.trust
    )


def named(name: str, role: str) -> list[tuple[x509.ObjectIdentifier, str]]:
    return [(ORG, "Example"), (OU, role), (CN, name)]


def two_units(room: Room) -> Who:
    return signed(room.place, [(ORG, "Example"), (OU, "user"), (OU, "admin"), (CN, "ana")])


def two_names(room: Room) -> Who:
    return signed(room.place, [(ORG, "Example"), (OU, "user"), (CN, "ana"), (CN, "root")])


def one_more_word(room: Room) -> Who:
    names = [*named("ana", "user"), (x509.oid.NameOID.TITLE, "admin")]
    return signed(room.place, names)


def no_such_role(room: Room) -> Who:
    return signed(room.place, named("ana", "owner"))


def no_such_name(room: Room) -> Who:
    return signed(room.place, named("../ana\n", "user"))


def an_agent(room: Room) -> Who:
    room.place.issue("web-2")
    return who(room.place, "web-2")


def nameless_controller(room: Room) -> Who:
    return signed(room.place, named("main", "controller"))


def a_pattern(room: Room) -> Who:
    names = [x509.DNSName("main"), x509.DNSName("*.example.com")]
    return signed(room.place, named("main", "controller"), alternatives=names)


def for_servers_only(room: Room) -> Who:
    return signed(room.place, named("ana", "user"), usages=[ExtendedKeyUsageOID.SERVER_AUTH])


def expired(room: Room) -> Who:
    return signed(room.place, named("ana", "user"), days=(-3, -1))


def not_yet(room: Room) -> Who:
    return signed(room.place, named("ana", "user"), days=(1, 3))


def self_signed(room: Room) -> Who:
    return signed(room.place, named("ana", "user"), by_itself=True)


def a_stranger(room: Room) -> Who:
    other = founded(room.path / "other")
    other.issue("ana", Role.USER)
    return Who(name="ana", certificate=other.identity("ana"), trust=room.place.trust)


def nobody(room: Room) -> Who:
    return Who(name="ana", certificate=None, trust=room.place.trust)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (two_units, "its certificate has 2 OU, not one"),
        (two_names, "its certificate has 2 CN, not one"),
        (one_more_word, "says more than O, OU and CN"),
        (no_such_role, '"owner" is no role'),
        (no_such_name, '"../ana\\n" is no name for role user'),
        (an_agent, "agent web-2 is not admin or controller or user"),
        (nameless_controller, "main does not carry its own name"),
        (a_pattern, "main carries a pattern of names"),
        (for_servers_only, "its certificate is not accepted: unsuitable certificate purpose"),
        (expired, "its certificate is not accepted: certificate has expired by the clock of this"),
        (not_yet, "its certificate is not accepted: certificate is not yet valid by the clock"),
        (self_signed, "its certificate is not accepted: self-signed certificate"),
        (a_stranger, "its certificate is not accepted: unable to get local issuer certificate"),
        (nobody, "it shows no certificate"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
async def test_a_certificate_that_is_not_accepted_leaves_one_line_and_is_asked_nothing(
    room: Room, make: Callable[[Room], Who], words: str
) -> None:
    async with room.run():
        caller = Caller(make(room))
        with contextlib.suppress(OSError):
            async with caller.connected(room.port):
                pass
        await room.until(lambda: room.log.has("cannot accept 127.0.0.1:", words))
        assert not caller.opened
        async with dial(room.port, who(room.place, "main")) as peer:
            assert await peer.ask(GetPool()) == Pool(workers=1)
    assert sum("cannot accept" in line for line in room.log.lines) == 1


async def test_who_dials_is_told_why_by_tls_though_it_spoke_already(room: Room) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(room.place.trust)
    bad = expired(room).certificate
    assert bad is not None
    context.load_cert_chain(bad.certificate, bad.key)

    def meet() -> None:
        with (
            socket.create_connection(("127.0.0.1", room.port), 5) as plain,
            context.wrap_socket(plain, server_hostname="web-1") as link,
        ):
            link.sendall(b"x" * 100_000)
            link.recv(1)

    async with room.run():
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_EXPIRED"):
            await asyncio.to_thread(meet)


# what is no TLS of ours


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it speaks HTTP, not TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak TLS"),
        (b"\0" * 512, "it does not speak TLS"),
        (b"\x16\x03\x01\xff\xff" + b"A" * 600, "it does not speak TLS"),
        (b"", "it hung up"),
    ],
)
async def test_whoever_speaks_no_tls_leaves_one_line(room: Room, said: bytes, words: str) -> None:
    async with room.run():
        reader, writer = await asyncio.open_connection("127.0.0.1", room.port)
        writer.write(said)
        writer.write_eof()
        with contextlib.suppress(OSError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await room.until(lambda: room.log.has("cannot accept 127.0.0.1:", words))


async def _shake(room: Room, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", room.port, ssl=context, server_hostname="web-1"
    )
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.transport.abort()


def _context(room: Room, *alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(room.place.trust)
    own = room.place.identity("main")
    context.load_cert_chain(own.certificate, own.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


async def test_tls_1_2_is_refused(room: Room) -> None:
    context = _context(room, "ctl/1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with room.run():
        with pytest.raises(ssl.SSLError):
            await _shake(room, context)
        await room.until(lambda: room.log.has("cannot accept", "it does not speak TLS 1.3"))


@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1"), ("ctl-enroll/1",)])
async def test_another_protocol_inside_tls_is_refused(room: Room, alpn: tuple[str, ...]) -> None:
    async with room.run():
        with contextlib.suppress(OSError):
            assert await _shake(room, _context(room, *alpn)) == b""
        await room.until(lambda: room.log.has("cannot accept", "another protocol than ctl/1"))


# crowds


@contextlib.asynccontextmanager
async def crowd(port: int, number: int, said: bytes = b"") -> AsyncIterator[list[socket.socket]]:
    """Open sockets that say little, and keep them open."""
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        for _ in range(number):
            plain = socket.socket()
            plain.setblocking(False)
            sockets.append(plain)
            await loop.sock_connect(plain, ("127.0.0.1", port))
            if said:
                with contextlib.suppress(OSError):
                    await loop.sock_sendall(plain, said)
        yield sockets
    finally:
        for plain in sockets:
            plain.close()


def client_hello(room: Room) -> bytes:
    """Give the first message of a real handshake, which is never followed by another."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _context(room, "ctl/1").wrap_bio(incoming, outgoing, server_hostname="web-1")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("kind", ["idle", "half a record", "half a handshake"])
async def test_a_real_client_is_served_within_a_second_of_a_crowd_that_says_nothing(
    room: Room, kind: str
) -> None:
    hello = client_hello(room)
    said = {"idle": b"", "half a record": hello[:40], "half a handshake": hello}[kind]
    async with room.run(), crowd(room.port, 500, said):
        took = []
        for _ in range(3):  # the machine may be busy with others
            begun = time.monotonic()
            async with dial(room.port, who(room.place, "main")) as peer:
                assert await peer.ask(GetPool()) == Pool(workers=1)
            took.append(time.monotonic() - begun)
        assert min(took) < 1
    assert sum("cannot accept" in line for line in room.log.lines) <= 12


async def test_many_real_clients_at_once_are_all_served(room: Room) -> None:
    async def come(number: int) -> None:
        async with dial(room.port, who(room.place, "main")) as peer:
            assert await peer.ask(GetPool()) == Pool(workers=1)

    async with room.run():
        for start in range(0, 45, 15):  # of one name, an agent keeps 16 sessions
            await asyncio.gather(*(come(number) for number in range(start, start + 15)))
    assert not room.log.has("cannot accept")


async def test_a_handshake_without_an_end_is_ended(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.agent.doors.HANDSHAKE", 0.2)
    async with room.run(), crowd(room.port, 1, client_hello(room)) as (plain,):
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(loop.sock_recv(plain, 4096), 5):
                pass
        await room.until(lambda: room.log.has("cannot accept", "no handshake in"))


async def test_a_connection_that_says_no_hello_is_ended(room: Room) -> None:
    room.limits = Limits(greeting=0.3)
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        goodbye = await _shake(room, _context(room, "ctl/1"))
        assert b'"late"' in goodbye
        assert await peer.ask(GetPool()) == Pool(workers=1)


# revocation and renewal


@pytest.fixture
def watchful(room: Room, monkeypatch: pytest.MonkeyPatch) -> Room:
    """Let the daemon look at its certificates more often than a test has patience for."""
    monkeypatch.setattr(daemon_module, "LOOK", 0.05)
    return room


def revoke(room: Room, name: str) -> None:
    revoking.revoke(room.place.path, name, reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)


WRITTEN = {"denied": "denied", "ca.crl": "crl.pem"}


def carry(room: Room, name: str) -> None:
    """Bring a list to the server as `ctl pki` wrote it."""
    (room.path / "pki" / name).write_bytes((room.place.path / WRITTEN[name]).read_bytes())


@pytest.mark.parametrize("listed", ["denied", "ca.crl"])
async def test_a_revoked_certificate_ends_open_connections_and_opens_none(
    watchful: Room, listed: str
) -> None:
    room = watchful
    revoke(room, "ops")  # so that there is a list from the beginning
    carry(room, listed)
    async with room.run():
        ana, main = Caller(who(room.place, "ana")), Caller(who(room.place, "main"))
        async with ana.connected(room.port), main.connected(room.port):
            assert await ana.ask(GetPool()) == Pool(workers=1)
            revoke(room, "ana")
            carry(room, listed)
            await ana.until(lambda: bool(ana.goodbyes))
            assert ana.goodbyes[-1].reason == "revoked"
            assert await main.ask(GetPool()) == Pool(workers=1)
        again = Caller(who(room.place, "ana"))
        with contextlib.suppress(OSError):
            async with again.connected(room.port):
                pass
        assert not again.opened
        await room.until(lambda: room.log.has("cannot accept", "revoked"))


@pytest.mark.slow
async def test_a_certificate_that_ends_ends_its_open_connections(watchful: Room) -> None:
    left = datetime.now(UTC) - NOW + timedelta(seconds=2.5)
    caller = Caller(
        signed(watchful.place, named("ana", "user"), days=(-1, left / timedelta(days=1)))
    )
    async with watchful.run(), caller.connected(watchful.port):
        assert await caller.ask(GetPool()) == Pool(workers=1)
        await caller.until(lambda: bool(caller.goodbyes))
        assert caller.goodbyes[-1].reason == "revoked"
        assert watchful.log.has("the certificate of user ana has ended")


async def test_a_damaged_list_lets_nobody_in_who_was_refused(
    watchful: Room,
) -> None:
    room = watchful
    revoke(room, "ana")
    carry(room, "denied")
    async with room.run():
        (room.path / "pki/denied").write_text("no serial\n")
        await room.until(lambda: room.log.has("denied:1: no serial; what was read before"))
        caller = Caller(who(room.place, "ana"))
        with contextlib.suppress(OSError):
            async with caller.connected(room.port):
                pass
        assert not caller.opened
        assert sum("no serial" in line for line in room.log.lines) == 1


async def test_a_renewed_certificate_is_shown_without_a_restart(
    watchful: Room,
) -> None:
    room = watchful

    def shown() -> str:
        with (
            socket.create_connection(("127.0.0.1", room.port), 5) as plain,
            _context(room, "ctl/1").wrap_socket(plain, server_hostname="web-1") as link,
        ):
            return str((link.getpeercert() or {})["serialNumber"])

    async with room.run():
        before = await asyncio.to_thread(shown)
        async with dial(room.port, who(room.place, "main")) as peer:
            issuing.renew(room.place.path, "web-1", issuing.Renewal(), now=NOW, by=BY)
            give(room.place, room.path / "pki", "web-1")
            for _ in range(100):
                if await asyncio.to_thread(shown) != before:
                    break
            else:
                pytest.fail("the old certificate is still shown")
            assert await peer.ask(GetPool()) == Pool(workers=1)


async def test_another_authority_lets_everybody_prove_himself_anew(
    watchful: Room,
) -> None:
    room = watchful
    caller = Caller(who(room.place, "main"))
    async with room.run():
        async with caller.connected(room.port):
            founding.rotate(room.place.path, now=NOW, by=BY)
            give(room.place, room.path / "pki", "web-1")
            await caller.until(lambda: bool(caller.goodbyes))
            assert caller.goodbyes[-1].reason == "reconnect"
        async with caller.connected(room.port):
            assert caller.opened[-1].resumed


async def test_an_address_of_another_machine_is_told(room: Room) -> None:
    answers = SmallAnswers()
    settings = replace(room.settings, listen=Address(host="192.0.2.7", port=0))
    with pytest.raises(AgentError, match=r"cannot listen on 192\.0\.2\.7:0"):
        await Daemon(settings, answers, Log(room.log)).run()
    assert answers.closed
