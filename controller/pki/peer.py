"""Peers: whom a finished handshake has met, read from the certificate and compared exactly.

Called by listeners and dialers after TLS has checked chain and dates, and again on open connections when the deny list has grown. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID, ObjectIdentifier

from controller.errors import RefusedError
from controller.pki import alternatives, keys
from controller.pki.role import PEOPLE, Role, usages
from controller.pki.serial import text_of
from controller.pki.subject import is_name, is_organisation

LARGEST: Final = 16 << 10
"""Bytes of a certificate; ours have less than two thousand."""


T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end."""

    name: str
    role: Role
    serial: str
    organisation: str
    not_after: datetime


def peer(
    der: bytes, *, denied: Collection[str] = (), roles: Collection[Role] = tuple(Role)
) -> Peer:
    """Say whom a certificate names.

    Args:
        der: the certificate of the other end, whose chain TLS has checked.
        denied: serials that are refused.
        roles: who is expected here.

    Raises:
        RefusedError: it names nobody, more than one, or somebody who is denied or not expected; the message says which.
    """
    certificate = _read(der)
    try:
        found = _identify(certificate)
        _check_usage(certificate, found)
        _check_names(certificate, found)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, UserWarning) as error:
        # the library only warns of a name that is too long, which is an exception under -W error
        raise _refused("its name or extensions cannot be read") from error
    if found.serial in denied:
        raise _refused(f"{found.role} {found.name} was revoked (serial {found.serial})")
    if found.role not in roles:
        raise _refused(f"{found.role} {found.name} is not {_either(roles)}")
    return found


def _read(der: bytes) -> x509.Certificate:
    if len(der) > LARGEST:
        raise _refused(f"it has more than {LARGEST} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
    except (ValueError, UserWarning) as error:
        raise _refused("it is no certificate") from error
    if certificate.serial_number <= 0:  # the library only warns of that
        raise _refused("its serial is not positive")
    return certificate


def _identify(certificate: x509.Certificate) -> Peer:
    """Read the distinguished name: O, OU and CN, each exactly once and nothing else."""
    role_word = _only(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME, "OU")
    name = _only(certificate, NameOID.COMMON_NAME, "CN")
    organisation = _only(certificate, NameOID.ORGANIZATION_NAME, "O")
    if len(list(certificate.subject)) != 3:  # noqa: PLR2004  # the three above
        raise _refused("its name says more than O, OU and CN")
    role = next((one for one in Role if one.value == role_word), None)
    if role is None:
        raise _refused(f'"{role_word}" is no role')
    if not is_name(name, role) or not is_organisation(organisation):
        raise _refused(f'"{name}" of "{organisation}" is no name for role {role}')
    return Peer(
        name=name,
        role=role,
        serial=text_of(certificate.serial_number),
        organisation=organisation,
        not_after=certificate.not_valid_after_utc,
    )


def _only(certificate: x509.Certificate, oid: ObjectIdentifier, word: str) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    if len(found) != 1:
        raise _refused(f"it has {len(found)} {word}, not one")
    value = found[0].value
    if not isinstance(value, str):
        raise _refused(f"its {word} is no text")
    return value


def _check_usage(certificate: x509.Certificate, found: Peer) -> None:
    """Check that it is a leaf of our kind of key, for exactly what its role does."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise _refused(f"{found.name} shows the certificate of an authority")
    if not keys.is_ours(certificate.public_key()):
        raise _refused(f"the key of {found.name} is not ECDSA on P-256")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if frozenset(extended or ()) != usages(found.role):
        raise _refused(f"its extended key usages are not those of role {found.role}")


def _check_names(certificate: x509.Certificate, found: Peer) -> None:
    """Check that a machine carries its own name where TLS looks, and no certificate a pattern of names."""
    carried = _extension(certificate, x509.SubjectAlternativeName)
    names = {alternatives.text_of(name) for name in carried or ()}
    if any("*" in name for name in names):
        raise _refused(f"{found.name} carries a pattern of names")
    if found.role not in PEOPLE and alternatives.own(found.name) not in names:
        raise _refused(f"{found.name} does not carry its own name as an alternative name")


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _either(roles: Collection[Role]) -> str:
    return " or ".join(sorted(roles)) or "expected"


def _refused(why: str) -> RefusedError:
    return RefusedError(f"cannot accept the certificate: {why}")
