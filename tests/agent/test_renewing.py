"""An agent renews its certificate by itself, over the session it has, whoever dials; and what it is told it believes as far as it fits."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controller.agent import dialling, renewing
from controller.agent.keyfolder import open_keys
from controller.clock import SystemClock
from controller.pki import founding, issuing, revoking
from controller.pki.certificate import from_pem
from controller.pki.folder import open_folder
from controller.pki.reason import Reason
from controller.pki.renewing import Shown, renew_shown
from controller.pki.role import Role
from controller.transport.agents.dialer import AgentDialer
from controller.transport.agents.listener import AgentListener, Hooks
from controller.transport.agents.papers import Papers
from controller.wire.messages.renewal import Renew, Renewed
from controller.wire.messages.server import Failed
from tests.agent.daemon_room import Room, give
from tests.agent.renewal_room import NAME, NAMES, Signer, aged_room
from tests.pki.place import BY, NOW, founded, needs_openssl, request
from tests.transport.agent_place import dials, folder_of, instance, listening, server

pytestmark = [pytest.mark.real, needs_openssl]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "LOOK", 0.02)
    monkeypatch.setattr(renewing, "FIRST", 0.05)
    monkeypatch.setattr(renewing, "LONGEST", 0.1)
    monkeypatch.setattr(dialling, "FIRST", 0.05)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return aged_room(tmp_path)


@pytest.fixture
def signer(room: Room) -> Signer:
    return Signer(room.place)


def serial_in_use(room: Room) -> str:
    """Say which certificate lies there for the agent, and see that its key fits."""
    folder = Path(room.settings.pki)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{NAME}.crt", folder / f"{NAME}.key")
    found = from_pem((folder / f"{NAME}.crt").read_text(), where="test").serial_number
    return next(
        s for s, one in room.place.ledger.issued.items() if int(s, 16) == found and one.name == NAME
    )


def newest(room: Room) -> str:
    return room.place.ledger.of_name(NAME)[-1].serial


def files(room: Room) -> list[str]:
    return sorted(one.name for one in Path(room.settings.pki).iterdir())


def settled(room: Room) -> bool:
    """Say whether the newest certificate has worked, and nothing else is left."""
    return files(room) == ["ca.crt", "web-1.crt", "web-1.key"] and room.log.has("works")


@asynccontextmanager
async def hub(room: Room, signer: Signer | None, port: int = 0) -> AsyncIterator[AgentListener]:
    """Listen for the agent, and sign."""
    hooks = Hooks(renew=signer, refused=lambda *_: None)
    async with listening(room, hooks, port) as listener:
        yield listener


@asynccontextmanager
async def caller(room: Room, signer: Signer | None) -> AsyncIterator[AgentDialer]:
    """Dial the agent, and sign."""
    dialer = AgentDialer(
        Papers(room.place.path, "main"), clock=SystemClock(), instance=instance, renew=signer
    )
    try:
        yield dialer
    finally:
        await dialer.close()


async def test_an_agent_that_dials_renews_and_dials_again_with_it(
    room: Room, signer: Signer
) -> None:
    old = serial_in_use(room)
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: settled(room))
        peer = listener.peer(NAME)
        assert peer is not None
        await room.until(lambda: peer.up)
        assert {line.serial for line in peer._lines} == {newest(room)} != {old}
    assert serial_in_use(room) == newest(room)
    assert signer.asked == [NAME]
    one = room.place.ledger.of_name(NAME)[-1]
    assert one.alternatives == ("DNS:web-1", *NAMES)


async def test_an_agent_that_listens_renews_and_what_is_under_way_goes_on(
    room: Room, signer: Signer
) -> None:
    async with room.run(), caller(room, signer) as dialer:
        session = await dialer.open(server(room))
        pool = asyncio.ensure_future(session.pool())
        await room.until(lambda: settled(room))
        assert (await pool).workers == 1
        assert (await session.pool()).workers == 1
        (peer,) = dialer._peers()
        assert {line.serial for line in peer._lines} == {newest(room)}
        await session.close()
    assert serial_in_use(room) == newest(room)


async def test_what_a_person_has_open_goes_on(room: Room, signer: Signer) -> None:
    async with room.run(), caller(room, signer) as dialer:
        person = AgentDialer(Papers(room.place.path, "ops"), clock=SystemClock(), instance=instance)
        theirs = await person.open(server(room))
        (peer,) = person._peers()
        before = list(peer._lines)
        await (await dialer.open(server(room))).close()
        await room.until(lambda: len(room.place.ledger.of_name(NAME)) == 2)
        await room.until(lambda: room.log.has("renewed"))
        assert (await theirs.pool()).workers == 1
        assert list(peer._lines) == before
        await theirs.close()
        await person.close()


@pytest.mark.parametrize("left", [89, 31])
async def test_nobody_asks_before_a_third_is_left(tmp_path: Path, left: float) -> None:
    room = aged_room(tmp_path, left=left)
    signer = Signer(room.place)
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: NAME in listener.here)
        await asyncio.sleep(0.3)
    assert signer.asked == []


async def test_a_controller_that_does_not_renew_is_not_asked(room: Room) -> None:
    """As one of the version before, or a command by hand."""
    async with hub(room, None) as listener, room.run(**dials(listener)):
        await room.until(lambda: room.log.has("no controller that is here renews"))
        assert listener.here == (NAME,)
    assert not room.log.has("cannot renew")


async def test_a_no_is_told_and_asked_again_later(room: Room, signer: Signer) -> None:
    signer.instead = lambda _: Failed(code="no-authority", message="not here", hint="elsewhere")
    old = serial_in_use(room)
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        words = ("refuses (no-authority)", "not here (elsewhere)", "tries again", "ends on")
        await room.until(lambda: room.log.has(*words))
        await room.until(lambda: len(signer.asked) >= 3)
        signer.instead = None
        await room.until(lambda: settled(room))
    assert serial_in_use(room) == newest(room) != old


async def test_of_several_controllers_one_that_can_is_found(room: Room, signer: Signer) -> None:
    other = Signer(room.place, instead=lambda _: Failed(code="no-authority", message="not here"))
    async with room.run(), caller(room, other) as first:
        await (await first.open(server(room))).close()
        await room.until(lambda: bool(other.asked))
        async with caller(room, signer) as second:
            await (await second.open(server(room))).close()
            await room.until(lambda: room.log.has("renewed the certificate"))
    assert serial_in_use(room) == newest(room)


async def test_a_fault_of_our_own_does_not_end_all_renewals(
    room: Room, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError("once")

    with monkeypatch.context() as broken:
        broken.setattr(renewing, "read_lifetime", fault)
        async with hub(room, signer) as listener, room.run(**dials(listener)):
            await room.until(lambda: room.log.has("a fault of our own: ZeroDivisionError"))
            broken.undo()
            await room.until(lambda: settled(room))


async def test_a_revoked_agent_renews_nothing(room: Room, signer: Signer) -> None:
    """One that is connected still, for the few seconds until it is sent away."""
    signer.gate = asyncio.Event()
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: bool(signer.asked))
        revoking.revoke(room.place.path, NAME, reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)
        signer.gate.set()
        await room.until(lambda: room.log.has("refuses (revoked)"))
    assert len(room.place.ledger.of_name(NAME)) == 1


async def test_a_lost_answer_costs_no_second_certificate(room: Room, signer: Signer) -> None:
    answers: list[Renewed] = []

    def lose(reply: Renewed) -> None:
        answers.append(reply)
        if len(answers) == 1:
            raise ConnectionResetError

    signer.after = lose
    signer.renewal._is_due = lambda *_: True  # type: ignore[method-assign]
    async with hub(room, signer) as listener:
        async with room.run(**dials(listener)):
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            await room.until(lambda: len(answers) == 1)
        async with room.run(**dials(listener)):  # it died with the answer under way
            await room.until(lambda: settled(room))
    assert answers[0] == answers[1]
    assert len(room.place.ledger.of_name(NAME)) == 2


async def test_the_new_authority_travels_along(room: Room, signer: Signer) -> None:
    founding.rotate(room.place.path, now=NOW, by=BY)
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: settled(room))
    assert (Path(room.settings.pki) / "ca.crt").read_bytes() == room.place.trust.read_bytes()
    assert room.place.ledger.of_name(NAME)[-1].authority == room.place.ledger.newest.authority
    assert room.place.trust.read_bytes().count(b"BEGIN") == 2


# answers of a controller that lies

Lie = Callable[[Room, bytes], Renewed]


def _signed(room: Room, pem: bytes, **more: object) -> Renewed:
    """Sign in a copy of the authority, where nothing is known of the agent."""
    copy = room.path / os.urandom(4).hex()
    shutil.copytree(room.place.path, copy)
    with open_folder(copy) as folder:
        lines = (copy / "ledger").read_bytes().splitlines(keepends=True)
        folder.remove("ledger")
        folder.append("ledger", lines[0])
        for each in ("web-1.crt", "web-1.key"):
            folder.remove(each)
    place = type(room.place)(path=copy)
    one = place.issue(
        str(more.pop("name", NAME)),
        more.pop("role", Role.AGENT),  # type: ignore[arg-type]
        request=pem,
        **{"alternatives": NAMES, "days": 90, **more},
    )
    return Renewed(certificate=one.certificate.encode(), authority=room.place.trust.read_bytes())


def _foreign(room: Room, pem: bytes) -> Renewed:
    other = founded(room.path / os.urandom(4).hex())
    one = other.issue(NAME, request=pem, alternatives=NAMES, days=90)
    return Renewed(certificate=one.certificate.encode(), authority=other.trust.read_bytes())


def _crowd(room: Room, pem: bytes) -> Renewed:
    given = _signed(room, pem)
    others = b"".join(
        founded(room.path / os.urandom(4).hex()).trust.read_bytes() for _ in range(16)
    )
    return Renewed(certificate=given.certificate, authority=given.authority + others)


def _other_trust(room: Room, pem: bytes) -> Renewed:
    other = founded(room.path / os.urandom(4).hex())
    given = _signed(room, pem)
    return Renewed(certificate=given.certificate, authority=other.trust.read_bytes())


LIES: dict[str, tuple[Lie, str]] = {
    "name": (lambda room, pem: _signed(room, pem, name="web-2"), "cannot use the certificate"),
    "role": (
        lambda room, pem: _signed(room, pem, role=Role.CONTROLLER),
        "it is not that of an agent",
    ),
    "key": (lambda room, _: _signed(room, request()), "it is not of this key"),
    "names": (
        lambda room, pem: _signed(room, pem, alternatives=("DNS:bank.example.com",)),
        "carries other names",
    ),
    "shorter": (lambda room, pem: _signed(room, pem, days=1), "does not live longer"),
    "foreign": (_foreign, "no authority that is known"),
    "trust": (_other_trust, "no authority that is known"),
    "crowd": (_crowd, "names 17 authorities"),
    "nobody": (
        lambda room, pem: Renewed(certificate=_signed(room, pem).certificate),
        "names 0 authorities",
    ),
    "garbage": (
        lambda room, _: Renewed(certificate=b"\xff\0", authority=room.place.trust.read_bytes()),
        "it is not of this key, or one of them is damaged",
    ),
    "large": (lambda *_: Renewed(certificate=bytes(100_000)), "more than 65536 bytes"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_does_not_fit_changes_nothing(room: Room, signer: Signer, lie: str) -> None:
    make, words = LIES[lie]

    def answer(asked: Renew) -> Renewed:
        return make(room, asked.request)

    signer.instead = answer
    folder = Path(room.settings.pki)
    before = {name: (folder / name).read_bytes() for name in files(room)}
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: room.log.has("cannot renew the certificate", words))
        await room.until(lambda: listener.here == (NAME,))
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not [name for name in files(room) if name.endswith((".old", ".untried"))]


# a new pair that does not work, and daemons that die


async def test_where_the_new_one_is_refused_the_old_one_is_used_again(
    room: Room, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where several controllers know different authorities: nobody is locked out by a renewal."""
    monkeypatch.setattr(renewing, "TRIAL", 0.3)
    folder = folder_of(room, tmp_path / "hub-pki", "hub")
    founding.rotate(room.place.path, now=NOW, by=BY)  # which the other controller has not heard of
    listener = AgentListener(
        Papers(folder, "hub"),
        clock=SystemClock(),
        instance=instance(),
        hooks=Hooks(renew=signer),
    )
    old = serial_in_use(room)
    await listener.start("127.0.0.1", 0)
    try:
        async with room.run(**dials(listener)):
            await room.until(lambda: room.log.has("renewed the certificate"))
            signer.renewal._is_due = lambda *_: True  # type: ignore[method-assign]
            await room.until(lambda: len(signer.asked) == 2)
            monkeypatch.setattr(renewing, "FIRST", 3_600.0)
            monkeypatch.setattr(renewing, "LONGEST", 3_600.0)
            words = "no controller came by the new certificate"
            await room.until(lambda: room.log.getvalue().count(words) == 2)
            assert serial_in_use(room) == old
            await room.until(lambda: listener.here == (NAME,))
    finally:
        await listener.close()
    assert len(room.place.ledger.of_name(NAME)) == 2  # however often it is tried


async def test_a_pair_is_on_trial_still_after_a_restart(room: Room, signer: Signer) -> None:
    """Whoever died after the change keeps the old pair until a controller has come by the new one."""
    keys = open_keys(room.settings.pki, NAME)
    shown = Shown(certificate=room.place.der(NAME), request=keys.request())
    given = renew_shown(room.place.path, shown, now=NOW)
    keys.adopt(given.issued.certificate.encode(), given.authority, keep=True)
    assert keys.on_trial()
    keys.close()
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: settled(room))
    assert serial_in_use(room) == newest(room)
    assert signer.asked == []


async def test_a_daemon_finds_its_pair_whole_where_another_died_between_two_renames(
    room: Room, signer: Signer
) -> None:
    folder = Path(room.settings.pki)
    keys = open_keys(room.settings.pki, NAME)
    shown = Shown(certificate=room.place.der(NAME), request=keys.request())
    keys.close()
    given = renew_shown(room.place.path, shown, now=NOW)
    (folder / ".web-1.crt.new").write_text(given.issued.certificate)
    (folder / ".web-1.key.new").replace(folder / "web-1.key")
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: listener.here == (NAME,))
    assert serial_in_use(room) == newest(room) == given.issued.serial


async def test_a_key_that_is_not_new_is_made_again(room: Room, signer: Signer) -> None:
    """What was left by whoever died while he took the old pair again."""
    folder = Path(room.settings.pki)
    (folder / ".web-1.key.new").write_bytes((folder / "web-1.key").read_bytes())
    (folder / ".web-1.key.new").chmod(0o600)
    signer.renewal._is_due = lambda *_: True  # type: ignore[method-assign]
    async with hub(room, signer) as listener, room.run(**dials(listener)):
        await room.until(lambda: settled(room))
    assert room.log.has("refuses (used-key)")
    assert len(signer.asked) == 2


async def test_a_certificate_that_was_carried_there_meanwhile_is_left_alone(
    room: Room, signer: Signer
) -> None:
    issuing.renew(room.place.path, NAME, issuing.Renewal(), now=NOW, by=BY)
    async with hub(room, signer) as listener:
        give(room.place, Path(room.settings.pki), NAME)
        async with room.run(**dials(listener)):
            await room.until(lambda: listener.here == (NAME,))
            await asyncio.sleep(0.3)
    assert signer.asked == []
