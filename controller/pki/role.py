"""Roles: what the OU of a certificate may say, and what follows from it.

Read by everything in this room. A certificate of one role never plays another: role, usages and kinds of names have to fit.
"""

from enum import StrEnum
from typing import Final

from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier


class Role(StrEnum):
    """The one word in the OU of a certificate."""

    AGENT = "agent"
    USER = "user"
    ADMIN = "admin"
    CONTROLLER = "controller"


PEOPLE: Final = frozenset({Role.USER, Role.ADMIN})
"""Roles of people: they dial and never listen, so they have no names to be found by."""
LONGEST: Final = 825
"""Days a leaf may live: a little over two years."""

_BOTH: Final = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
_CLIENT: Final = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH})


def usages(role: Role) -> frozenset[ObjectIdentifier]:
    """Give the extended key usages of a role: machines dial and listen, people only dial."""
    return _CLIENT if role in PEOPLE else _BOTH


def days(role: Role) -> int:
    """Give the days a certificate of a role lives unless told otherwise.

    Machines get 13 months, so that a yearly renewal has a month to spare. People get a quarter: their keys lie on laptops.
    """
    return 90 if role in PEOPLE else 397
