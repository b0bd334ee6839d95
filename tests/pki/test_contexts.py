"""Handshakes on loopback: who gets through, and who does not."""

import contextlib
import shutil
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from controller.errors import RefusedError, StateError
from controller.pki import founding, revoking
from controller.pki.contexts import Clients, Identity, client_context, server_context
from controller.pki.denied import DenyList
from controller.pki.peer import Peer, peer
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, founded

PATIENCE = 10.0
Result = Peer | Exception | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What each end made of the other."""

    listener: Result
    dialer: Result


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = founded(tmp_path / "pki")
    made.issue("web-1")
    made.issue("main", Role.CONTROLLER)
    return made


def _met(link: ssl.SSLSocket, denied: DenyList | None, roles: tuple[Role, ...]) -> Peer | None:
    der = link.getpeercert(binary_form=True)
    serials = denied.serials() if denied else frozenset[str]()
    return peer(der, denied=serials, roles=roles) if der else None


def meet(
    listening: ssl.SSLContext,
    dialing: ssl.SSLContext,
    *,
    name: str = "web-1",
    denied: DenyList | None = None,
    roles: tuple[Role, ...] = tuple(Role),
) -> Meeting:
    """Let one end dial the other; the listener answers with one byte when it is content."""

    def listen(door: socket.socket) -> Result:
        plain, _ = door.accept()
        plain.settimeout(PATIENCE)
        try:
            with listening.wrap_socket(plain, server_side=True) as link:
                found = _met(link, denied, roles)
                link.sendall(b"!")
                with contextlib.suppress(OSError):
                    link.recv(1)
                return found
        except (OSError, RefusedError) as error:
            return error

    def dial(port: int) -> Result:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
                dialing.wrap_socket(plain, server_hostname=name) as link,
            ):
                if not link.recv(1):
                    return ConnectionError("closed")
                return _met(link, None, tuple(Role))
        except OSError as error:
            return error

    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        door.settimeout(PATIENCE)
        future = pool.submit(listen, door)
        dialer = dial(door.getsockname()[1])
        return Meeting(listener=future.result(), dialer=dialer)


def test_both_ends_know_each_other(place: Place) -> None:
    met = meet(
        server_context(place.identity("web-1"), trust=place.trust, alpn=["ctl/1"]),
        client_context(place.identity("main"), trust=place.trust, alpn=["ctl/1"]),
    )
    assert isinstance(met.listener, Peer)
    assert (met.listener.name, met.listener.role) == ("main", Role.CONTROLLER)
    assert isinstance(met.dialer, Peer)
    assert (met.dialer.name, met.dialer.role) == ("web-1", Role.AGENT)


@pytest.mark.parametrize("old", [ssl.TLSVersion.TLSv1_2])
def test_tls_below_1_3_is_refused(place: Place, old: ssl.TLSVersion) -> None:
    listening = server_context(place.identity("web-1"), trust=place.trust)
    dialing = client_context(place.identity("main"), trust=place.trust)
    dialing.minimum_version = dialing.maximum_version = old
    met = meet(listening, dialing)
    assert isinstance(met.listener, ssl.SSLError)
    assert "unsupported protocol" in str(met.listener).lower()
    assert isinstance(met.dialer, ssl.SSLError)


def test_who_dials_without_a_certificate_is_refused_but_for_enrolment(place: Place) -> None:
    dialing = client_context(None, trust=place.trust)
    met = meet(server_context(place.identity("web-1"), trust=place.trust), dialing)
    assert isinstance(met.listener, ssl.SSLError)
    assert isinstance(met.dialer, OSError)
    enrol = server_context(place.identity("web-1"), trust=place.trust, clients=Clients.OPTIONAL)
    met = meet(enrol, dialing)
    assert met.listener is None
    assert isinstance(met.dialer, Peer)


@pytest.mark.parametrize("stranger", ["listener", "dialer"])
def test_a_certificate_of_another_authority_is_refused(
    place: Place, tmp_path: Path, stranger: str
) -> None:
    other = founded(tmp_path / "other")
    other.issue("web-1")
    other.issue("main", Role.CONTROLLER)
    listener = other if stranger == "listener" else place
    dialer = other if stranger == "dialer" else place
    met = meet(
        server_context(listener.identity("web-1"), trust=place.trust),
        client_context(dialer.identity("main"), trust=place.trust),
    )
    assert isinstance(met.listener, ssl.SSLError)
    assert isinstance(met.dialer, OSError)


def test_an_enrolment_listener_still_refuses_a_bad_certificate(
    place: Place, tmp_path: Path
) -> None:
    other = founded(tmp_path / "other")
    other.issue("main", Role.CONTROLLER)
    met = meet(
        server_context(place.identity("web-1"), trust=place.trust, clients=Clients.OPTIONAL),
        client_context(other.identity("main"), trust=place.trust),
    )
    assert isinstance(met.listener, ssl.SSLError)


def test_an_agent_that_answers_for_another_is_refused(place: Place) -> None:
    place.issue("web-2")
    met = meet(
        server_context(place.identity("web-2"), trust=place.trust),
        client_context(place.identity("main"), trust=place.trust),
        name="web-1",
    )
    assert isinstance(met.dialer, ssl.SSLCertVerificationError)
    assert "web-1" in str(met.dialer)


@pytest.mark.parametrize("name", ["web_1", "_web", "Web-1.Example.com", "127.0.0.1", "fd00::1"])
def test_every_name_a_server_may_have_is_dialled_by_that_name(place: Place, name: str) -> None:
    place.issue(name)
    met = meet(
        server_context(place.identity(name), trust=place.trust),
        client_context(place.identity("main"), trust=place.trust),
        name=name,
    )
    assert isinstance(met.dialer, Peer)
    assert met.dialer.name == name


def test_the_common_name_alone_is_never_a_name_to_dial(place: Place) -> None:
    place.issue("ops", Role.ADMIN)
    met = meet(
        server_context(place.identity("ops"), trust=place.trust),
        client_context(place.identity("main"), trust=place.trust),
        name="ops",
    )
    assert isinstance(met.dialer, ssl.SSLCertVerificationError)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    past = founded(tmp_path / "pki", now=NOW - timedelta(days=10))
    past.issue("web-1", days=30)
    past.issue("main", Role.CONTROLLER, days=5)
    met = meet(
        server_context(past.identity("web-1"), trust=past.trust),
        client_context(past.identity("main"), trust=past.trust),
    )
    assert isinstance(met.listener, ssl.SSLCertVerificationError)
    assert "expired" in str(met.listener)
    assert isinstance(met.dialer, OSError)


def test_a_certificate_that_is_not_good_yet_is_refused(tmp_path: Path) -> None:
    place = founded(tmp_path / "pki")
    place.issue("web-1")
    future = Place(path=place.path, now=NOW + timedelta(days=1))
    future.issue("main", Role.CONTROLLER)
    met = meet(
        server_context(place.identity("web-1"), trust=place.trust),
        client_context(place.identity("main"), trust=place.trust),
    )
    assert isinstance(met.listener, ssl.SSLCertVerificationError)


def test_another_role_than_expected_is_refused(place: Place) -> None:
    place.issue("web-2")
    met = meet(
        server_context(place.identity("web-1"), trust=place.trust),
        client_context(place.identity("web-2"), trust=place.trust),
        roles=(Role.CONTROLLER, Role.ADMIN, Role.USER),
    )
    assert isinstance(met.listener, RefusedError)
    assert "agent web-2 is not admin or controller or user" in met.listener.message


def test_a_user_never_listens_as_an_agent(place: Place) -> None:
    place.issue("mallory", Role.USER)
    met = meet(
        server_context(place.identity("mallory"), trust=place.trust),
        client_context(place.identity("main"), trust=place.trust),
        name="mallory",
    )
    assert isinstance(met.dialer, ssl.SSLCertVerificationError)


def test_a_revoked_certificate_is_refused_by_a_listener_that_runs_on(place: Place) -> None:
    listening = server_context(place.identity("web-1"), trust=place.trust)
    dialing = client_context(place.identity("main"), trust=place.trust)
    denied = DenyList(place.path / "denied")
    assert isinstance(meet(listening, dialing, denied=denied).listener, Peer)
    revoking.revoke(place.path, "main", reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)
    met = meet(listening, dialing, denied=denied)
    assert isinstance(met.listener, RefusedError)
    assert "controller main was revoked" in met.listener.message
    assert isinstance(met.dialer, OSError)


def test_leaves_of_both_authorities_meet_during_a_rotation(place: Place, tmp_path: Path) -> None:
    before = Path(shutil.copy(place.trust, tmp_path / "before.crt"))
    old = place.ledger.newest.authority
    founding.rotate(place.path, now=NOW, by=BY)
    place.issue("next", Role.CONTROLLER)

    def reach(trust: Path, dialer: str) -> Result:
        return meet(
            server_context(place.identity("web-1"), trust=trust),
            client_context(place.identity(dialer), trust=place.trust),
        ).listener

    assert isinstance(reach(place.trust, "main"), Peer)
    assert isinstance(reach(place.trust, "next"), Peer)
    assert isinstance(reach(before, "next"), ssl.SSLError)
    founding.retire(place.path, old, now=NOW, by=BY, force=True)
    assert isinstance(reach(place.trust, "main"), ssl.SSLError)


def test_no_session_is_ever_resumed(place: Place) -> None:
    assert server_context(place.identity("web-1"), trust=place.trust).num_tickets == 0


def test_a_key_that_others_may_read_is_not_used(place: Place) -> None:
    place.identity("web-1").key.chmod(0o640)
    with pytest.raises(StateError, match="others may read it"):
        server_context(place.identity("web-1"), trust=place.trust)


def test_certificate_and_key_have_to_belong_together(place: Place) -> None:
    mixed = Identity(
        certificate=place.identity("web-1").certificate, key=place.identity("main").key
    )
    with pytest.raises(StateError, match="do not belong together"):
        server_context(mixed, trust=place.trust)


def test_a_passphrase_is_never_asked_for(place: Place) -> None:
    own = place.identity("web-1")
    key = serialization.load_pem_private_key(own.key.read_bytes(), None)
    own.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(StateError, match="cannot use"):
        client_context(own, trust=place.trust)


@pytest.mark.parametrize(
    "bundle", [b"", b"nonsense", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\n", b"x" * (2 << 20)]
)
def test_a_bundle_without_an_authority_is_an_error_not_trust_in_nobody(
    place: Place, tmp_path: Path, bundle: bytes
) -> None:
    trust = tmp_path / "bad.crt"
    trust.write_bytes(bundle)
    with pytest.raises(StateError):
        client_context(place.identity("main"), trust=trust)
    with pytest.raises(StateError):
        client_context(None, trust=tmp_path / "none.crt")
    with pytest.raises(StateError, match="holds no authority"):
        client_context(None, trust=place.identity("web-1").certificate)
