"""A certificate is tried before it is used: a TLS handshake with itself, in memory, as controllers will make it.

`keyfolder` calls it for what came from elsewhere, `renewing` to see how long the one in use lives. What the TLS library accepts here it accepts later, and what it would
refuse then is told now: another key, another name, another authority, a clock that is wrong. Calls nobody but the library.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from controller.agent.errors import EnrolmentError
from controller.wire.record import record

ROLE = "agent"
ROUNDS = 8
NOT_YET, EXPIRED = 9, 10
"""OpenSSL's numbers for a certificate that is not valid by this clock."""


@record
class Trial:
    """What is tried: files, and whom they should make us."""

    certificate: str
    key: str
    authority: str
    name: str


def try_certificate(trial: Trial) -> Mapping[str, object]:
    """See that certificate, key, authority and name fit each other; give the certificate as Python's `ssl` shows it.

    Raises:
        EnrolmentError: they do not; the message says which.
    """
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        own.load_cert_chain(trial.certificate, trial.key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise EnrolmentError(
            "cannot use the certificate: it is not of this key, or one of them is damaged"
        ) from error
    found = _handshake(own, _other(trial.authority), trial.name)
    if _words(found, "commonName") != [trial.name]:
        raise EnrolmentError(f"cannot use the certificate: it is not of {trial.name}")
    if _words(found, "organizationalUnitName") != [ROLE]:
        raise EnrolmentError("cannot use the certificate: it is not that of an agent")
    return found


def explain(error: ssl.SSLError, whose: str) -> str:
    """Say why a certificate was not accepted, in a few words."""
    code = getattr(error, "verify_code", 0)
    said = getattr(error, "verify_message", "") or error.reason or "no certificate"
    if code == NOT_YET:
        return f"{whose} is not valid yet by the clock of this server: {said}"
    if code == EXPIRED:
        return f"{whose} is over by the clock of this server: {said}"
    return f"{whose} was refused: {str(said).lower().replace('_', ' ')}"


def _other(authority: str) -> ssl.SSLContext:
    """Make the context of whoever will dial."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=authority)
    except (OSError, ValueError) as error:
        raise EnrolmentError("cannot use the authority: it is no certificate") from error
    return context


def _handshake(own: ssl.SSLContext, other: ssl.SSLContext, name: str) -> Mapping[str, object]:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    listener = own.wrap_bio(there, back, server_side=True)
    try:
        dialer = other.wrap_bio(back, there, server_hostname=name)
        for _ in range(ROUNDS):
            if _step(dialer):
                return dialer.getpeercert() or {}
            _step(listener)
    except (ssl.SSLError, ValueError) as error:
        words = explain(error, "it") if isinstance(error, ssl.SSLError) else str(error)
        raise EnrolmentError(f"cannot use the certificate: {words}") from error
    raise EnrolmentError("cannot use the certificate: a handshake with it does not end")


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _words(found: Mapping[str, object], what: str) -> list[str]:
    """Give every value of one part of the subject."""
    subject = found.get("subject", ())
    parts = [part for one in subject for part in one] if isinstance(subject, tuple) else []
    return [value for name, value in parts if name == what]


def _no_passphrase() -> str:
    """Stand where OpenSSL would ask the terminal."""
    raise ValueError("the key has a passphrase")
