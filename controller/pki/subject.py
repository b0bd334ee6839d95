"""Subjects: the names a certificate may carry, checked before they come near a distinguished name or a path.

Called by `authority` before anything is made, and by `peer` on what others show. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final

from controller.errors import UsageError
from controller.model.ids import HOST_NAME
from controller.pki.role import PEOPLE, Role

LONGEST: Final = 64
"""Characters of a common name or an organisation (X.520, ub-common-name)."""
ROOT: Final = "ca"
"""How people name the authority itself; its files begin with it."""
PERSON: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,62}")
"""Names of people: those of `access`, and of Linux users."""
LINUX_USER: Final = re.compile(r"[a-z_][a-z0-9._-]{0,31}")

_ORGANISATION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._&-]{0,46}[A-Za-z0-9.])?")
_RESERVED: Final = re.compile(r"ca(?:-[0-9a-f]{12})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a certificate names: CN, OU and O, each exactly once."""

    name: str
    role: Role
    organisation: str


def is_name(name: str, role: Role) -> bool:
    """Say whether a name may stand in a certificate of this role, and in the name of a file."""
    grammar = PERSON if role in PEOPLE else HOST_NAME
    whole = len(name) <= LONGEST and name.isascii() and grammar.fullmatch(name) is not None
    return whole and _RESERVED.fullmatch(name) is None


def is_organisation(text: str) -> bool:
    """Say whether an organisation can stand in a distinguished name, beside " CA " and an id."""
    return text.isascii() and _ORGANISATION.fullmatch(text) is not None


def check_name(name: str, role: Role) -> None:
    """Refuse a name that could mean another name, another file or another field.

    Raises:
        UsageError: it is such a name.
    """
    if is_name(name, role):
        return
    if _RESERVED.fullmatch(name):
        raise UsageError(f'cannot name a certificate "{name}": the authority itself has that name')
    hint = "lower-case letters, digits and . _ -" if role in PEOPLE else "a host name or an address"
    raise UsageError(
        f'cannot certify "{name}" as {role}', hint=f"{hint}, {LONGEST} characters at most"
    )


def check_organisation(text: str) -> None:
    """Refuse an organisation that a distinguished name could not carry plainly.

    Raises:
        UsageError: it is such an organisation.
    """
    if not is_organisation(text):
        raise UsageError(
            f'cannot name the organisation "{text}"',
            hint="letters, digits, spaces and . _ & -, 48 at most",
        )


def check_owner(user: str) -> None:
    """Refuse what cannot be the name of a Linux user.

    Raises:
        UsageError: it cannot.
    """
    if LINUX_USER.fullmatch(user) is None:
        raise UsageError(f'cannot be a Linux user: "{user}"', hint="as getent passwd names it")
