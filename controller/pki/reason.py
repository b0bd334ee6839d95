"""Reasons: why a certificate is no longer good, in the words of RFC 5280, 5.3.1.

Written into the ledger and into revocation lists; typed after `--reason`.
"""

from enum import StrEnum

from cryptography import x509


class Reason(StrEnum):
    """Why a certificate was revoked."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


_FLAGS = {
    Reason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    Reason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    Reason.SUPERSEDED: x509.ReasonFlags.superseded,
    Reason.CESSATION: x509.ReasonFlags.cessation_of_operation,
    Reason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}


def flag(reason: Reason) -> x509.ReasonFlags | None:
    """Give what a list says of it; nothing for "unspecified", as the RFC asks."""
    return _FLAGS.get(reason)
