"""TLS contexts: 1.3 only, both ends verified, no resumption.

Called by listeners and dialers. TLS checks chain, dates and, for who dials, the name; `peer` then says who it is. A context never
prompts: a key with a passphrase is an error here.
"""

import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from controller.errors import StateError

LARGEST: Final = 1 << 20
"""Bytes of a trust bundle, a certificate or a key."""


class Clients(StrEnum):
    """What a listener asks of those who dial."""

    REQUIRED = "required"
    OPTIONAL = "optional"  # enrolment: the caller has to close whatever else comes without one
    NONE = "none"  # people's browsers


_MODES: Final = {
    Clients.REQUIRED: ssl.CERT_REQUIRED,
    Clients.OPTIONAL: ssl.CERT_OPTIONAL,
    Clients.NONE: ssl.CERT_NONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate and its private key on disk."""

    certificate: Path
    key: Path


def server_context(
    own: Identity, *, trust: Path, clients: Clients = Clients.REQUIRED, alpn: Sequence[str] = ()
) -> ssl.SSLContext:
    """Make the context of a listener.

    Args:
        own: what it shows.
        trust: bundle of the authorities whose clients are accepted.
        clients: what is asked of them.
        alpn: protocols it speaks, best first.

    Raises:
        StateError: a file cannot be read, does not fit, or is open to others.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, trust, alpn)
    context.num_tickets = 0  # nobody resumes: each connection shows its certificate
    context.verify_mode = _MODES[clients]
    show(context, own)
    return context


def client_context(
    own: Identity | None, *, trust: Path, alpn: Sequence[str] = ()
) -> ssl.SSLContext:
    """Make the context of who dials; the other end has to carry the name that was dialled.

    Args:
        own: what is shown; None: nothing, for enrolment.
        trust: bundle of the authorities whose servers are accepted.
        alpn: protocols it speaks, best first.

    Raises:
        StateError: a file cannot be read, does not fit, or is open to others.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, trust, alpn)
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    if own is not None:
        show(context, own)
    return context


def _context(protocol: int, trust: Path, alpn: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if alpn:
        context.set_alpn_protocols(list(alpn))
    data = _read(trust, private=False)
    try:
        context.load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise StateError(f"cannot read the trusted authorities in {trust}") from error
    if not context.get_ca_certs():
        raise StateError(f"cannot trust anybody: {trust} holds no authority")
    return context


def show(context: ssl.SSLContext, own: Identity) -> None:
    """Have a context show certificate and key.

    Raises:
        StateError: they cannot be read, do not belong together, or the key is open to others.
    """
    _read(own.certificate, private=False)
    _read(own.key, private=True)
    try:
        context.load_cert_chain(own.certificate, own.key, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise StateError(
            f"cannot use {own.certificate} with {own.key}: they do not belong together, or are damaged",
            hint="ctl pki renew NAME makes both anew",
        ) from error


def _no_passphrase() -> str:
    """Stand where OpenSSL would ask the terminal."""
    raise ValueError("the key has a passphrase")


def _read(path: Path, *, private: bool) -> bytes:
    """Read a small file; a private one that others may read is refused."""
    try:
        found = path.stat()
        if private and stat.S_IMODE(found.st_mode) & 0o077:
            raise StateError(
                f"cannot use the private key {path}: others may read it", hint=f"chmod 600 {path}"
            )
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise StateError(f"cannot read {path}: more than {LARGEST} bytes")
    return data
