"""An authority in a folder of its own, certificates as strangers might make them, and the real openssl."""

import shutil
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from controller.pki import founding, issuing, shelf
from controller.pki.contexts import Identity
from controller.pki.entries import Issued
from controller.pki.ledger import Ledger
from controller.pki.role import Role

NOW = datetime.now(UTC)
BY = "ops@host"
CN, OU, ORG = NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One authority."""

    path: Path
    now: datetime = NOW

    @property
    def trust(self) -> Path:
        return self.path / "ca.crt"

    @property
    def ledger(self) -> Ledger:
        return shelf.look(self.path)

    def issue(self, name: str, role: Role = Role.AGENT, **more: object) -> Issued:
        wish = issuing.Wish(name=name, role=role, **more)  # type: ignore[arg-type]
        return issuing.issue(self.path, wish, now=self.now, by=BY)

    def identity(self, name: str) -> Identity:
        return Identity(certificate=self.path / f"{name}.crt", key=self.path / f"{name}.key")

    def der(self, name: str) -> bytes:
        return self.certificate(name).public_bytes(serialization.Encoding.DER)

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.path / f"{name}.crt").read_bytes())


def founded(path: Path, *, now: datetime = NOW, organisation: str = "Example") -> Place:
    founding.found(path, now=now, by=BY, organisation=organisation)
    return Place(path=path, now=now)


def openssl(*arguments: str | Path) -> str:
    told = subprocess.run(
        ["openssl", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return told.stdout + told.stderr


def verify(trust: Path, certificate: Path, *more: str | Path) -> str:
    return openssl("verify", "-x509_strict", "-CAfile", trust, *more, certificate)


def request(
    name: str = "someone-else", key: CertificateIssuerPrivateKeyTypes | None = None
) -> bytes:
    """Make a request that asks for far too much."""
    wished = x509.Name(
        [
            x509.NameAttribute(CN, name),
            x509.NameAttribute(OU, "admin"),
            x509.NameAttribute(OU, "user"),
        ]
    )
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(wished)
        .add_extension(x509.BasicConstraints(ca=True, path_length=3), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.example.com")]), critical=False)
        .sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def forged(
    names: Sequence[tuple[ObjectIdentifier, str]] = (
        (ORG, "Example"),
        (OU, "agent"),
        (CN, "web-1"),
    ),
    *,
    usages: Sequence[ObjectIdentifier] | None = BOTH,
    alternatives: Sequence[x509.GeneralName] = (x509.DNSName("web-1"),),
    authority: bool = False,
    key: CertificateIssuerPrivateKeyTypes | None = None,
) -> bytes:
    """Make a certificate as nobody of ours would."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    with warnings.catch_warnings(action="ignore"):  # of names that are too short or too long
        name = x509.Name([x509.NameAttribute(oid, text, _validate=False) for oid, text in names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(1000)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
