"""The folder with certificates: what is read, what is refused, and who is named."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given, strategies as st

from controller.agent.crl import read_serials
from controller.agent.errors import AgentError
from controller.agent.peer import PeerError, read_peer
from controller.agent.tls import Credentials
from controller.errors import RefusedError
from controller.pki import founding, revoking
from controller.pki.peer import peer
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.agent.daemon_room import give
from tests.pki.place import BY, CN, NOW, ORG, OU, forged, founded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = founded(tmp_path / "ca")
    place.issue("web-1")
    made = tmp_path / "pki"
    made.mkdir(mode=0o700)
    give(place, made, "web-1")
    return made


def test_the_one_certificate_names_the_server(folder: Path) -> None:
    assert Credentials(str(folder)).name == "web-1"


def _second(folder: Path) -> None:
    for end in ("crt", "key"):
        (folder / f"web-2.{end}").write_bytes((folder / f"web-1.{end}").read_bytes())


def _none(folder: Path) -> None:
    (folder / "web-1.key").unlink()


def _open_key(folder: Path) -> None:
    (folder / "web-1.key").chmod(0o640)


def _other_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "web-1.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _secret_key(folder: Path) -> None:
    key = serialization.load_pem_private_key((folder / "web-1.key").read_bytes(), None)
    (folder / "web-1.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )


def _no_authority(folder: Path) -> None:
    (folder / "ca.crt").unlink()


def _a_leaf_for_authority(folder: Path) -> None:
    (folder / "ca.crt").write_bytes((folder / "web-1.crt").read_bytes())


def _writable(folder: Path) -> None:
    (folder / "ca.crt").chmod(0o666)


def _a_link(folder: Path) -> None:
    (folder / "ca.crt").rename(folder / "real.pem")
    (folder / "ca.crt").symlink_to("real.pem")


def _denied(folder: Path) -> None:
    (folder / "denied").write_text("AB\nnone\n")


def _damaged_list(folder: Path) -> None:
    (folder / "ca.crl").write_text("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_second, "holds 2 certificates with keys"),
        (_none, "holds 0 certificates with keys"),
        (_open_key, "others may read it"),
        (_other_key, "they do not belong together"),
        (_secret_key, "they do not belong together"),
        (_no_authority, "ca.crt: no such file"),
        (_a_leaf_for_authority, "holds no authority"),
        (_writable, "can be written to by others"),
        (_a_link, "ca.crt"),
        (_denied, "denied:2: no serial"),
        (_damaged_list, "ca.crl: a revocation list in it is damaged"),
    ],
    ids=lambda one: getattr(one, "__name__", "").lstrip("_") or None,
)
def test_a_folder_that_is_not_sound_is_refused(folder: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(AgentError) as refused:
        Credentials(str(folder))
    assert words in refused.value.message


def test_nothing_is_read_again_that_did_not_change(folder: Path) -> None:
    credentials = Credentials(str(folder))
    before = credentials.context
    assert not credentials.refresh()
    assert credentials.context is before


# revocation lists


def test_the_serials_of_all_lists_are_found(tmp_path: Path) -> None:
    place = founded(tmp_path / "ca")
    names = [f"web-{number}" for number in range(30)]
    serials = {place.issue(name).serial for name in names}
    assert read_serials((place.path / "crl.pem").read_bytes()) == frozenset()
    for name in names:
        revoking.revoke(place.path, name, reason=Reason.SUPERSEDED, now=NOW, by=BY)
    assert read_serials((place.path / "crl.pem").read_bytes()) == serials
    founding.rotate(place.path, now=NOW, by=BY)
    assert read_serials((place.path / "crl.pem").read_bytes()) == serials


@given(st.lists(st.integers(1, (1 << 159) - 1), max_size=8, unique=True))
def test_serials_are_written_as_ssl_writes_them(numbers: list[int]) -> None:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(CN, "ca")]))
        .last_update(NOW)
        .next_update(NOW)
    )
    for number in numbers:
        revoked = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW)
        builder = builder.add_revoked_certificate(revoked.build())
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    texts = {f"{number:X}" for number in numbers}
    assert read_serials(pem) == {text.rjust(len(text) + len(text) % 2, "0") for text in texts}


KEY = ec.generate_private_key(ec.SECP256R1())


@given(st.binary(max_size=200))
def test_no_list_whatever_is_in_it_does_worse_than_be_refused(content: bytes) -> None:
    pem = b"-----BEGIN X509 CRL-----\n" + base64.b64encode(content) + b"\n-----END X509 CRL-----\n"
    try:
        found = read_serials(pem)
    except AgentError:
        return
    assert all(set(one) <= set("0123456789ABCDEF") for one in found)


# names on certificates: the agent and the controller's own room say the same


_NAMES = st.sampled_from(
    ["main", "ana", "web-1", "10.0.0.5", "2001:db8::5", "Ana", "ca", "../x", "a b", "x" * 64]
)
_ROLES = st.sampled_from(["controller", "admin", "user", "agent", "root", "User"])


@example(units=["controller"], names=["main"], organisation="Example", carried=["main"])
@example(units=["controller"], names=["main"], organisation="Example", carried=["web-1"])
@example(units=["user"], names=["ana"], organisation="A & B Ltd.", carried=[])
@given(
    units=st.lists(_ROLES, min_size=0, max_size=2),
    names=st.lists(_NAMES, min_size=0, max_size=2),
    organisation=st.sampled_from(["Example", "Exämple", "a/b", "A & B Ltd."]),
    carried=st.lists(_NAMES.filter(lambda one: one.isascii() and bool(one)), max_size=2),
)
def test_the_agent_and_the_controller_know_the_same_peers(
    units: Sequence[str], names: Sequence[str], organisation: str, carried: Sequence[str]
) -> None:
    subject = [(ORG, organisation), *((OU, one) for one in units), *((CN, one) for one in names)]
    role = units[0] if units else ""
    person = role in {"user", "admin"}
    client, server = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
    der = forged(
        subject,
        usages=[client] if person else [server, client],
        alternatives=[x509.DNSName(one) for one in carried if " " not in one],
    )
    roles = [Role.CONTROLLER, Role.ADMIN, Role.USER]
    try:
        expected = peer(der, roles=roles)
    except RefusedError:
        with pytest.raises(PeerError):
            read_peer(shown(der), [one.value for one in roles])  # type: ignore[misc]
    else:
        found = read_peer(shown(der), ["controller", "admin", "user"])
        assert (found.name, found.role, found.serial) == (
            expected.name,
            expected.role.value,
            expected.serial,
        )
        assert found.until == expected.not_after.timestamp()


def shown(der: bytes) -> dict[str, object]:
    """Give what `getpeercert` would."""
    certificate = x509.load_der_x509_certificate(der)
    words = {CN: "commonName", OU: "organizationalUnitName", ORG: "organizationName"}
    try:
        carried = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        carried = x509.SubjectAlternativeName([x509.DNSName("none")])
    return {
        "subject": tuple(((words[one.oid], str(one.value)),) for one in certificate.subject),
        "serialNumber": f"{certificate.serial_number:04X}",
        "notAfter": certificate.not_valid_after_utc.strftime("%b %d %H:%M:%S %Y GMT"),
        "subjectAltName": tuple(("DNS", str(one.value)) for one in carried),
    }
