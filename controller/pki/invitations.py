"""Invitations: whom a token lets enrol, and by which key it was used; a file of the authority's folder, 0600.

`inviting` calls it. Of a token only a salted digest is kept: who reads the file can enrol nobody.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from controller.errors import StateError
from controller.pki.folder import PRIVATE, Folder

FILE: Final = "invitations"
MOST: Final = 1_000
"""Invitations at the same time."""
TOKEN: Final = re.compile(r"ctle_([0-9a-f]{12})_([0-9a-f]{40})")
SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One token: for one name, once, until it ends."""

    id: str
    salt: str
    digest: str
    name: str
    alternatives: tuple[str, ...]
    days: int | None
    """How long the certificate lives; None: as agents do."""
    renew: bool
    """The name has a certificate already, and gets its next."""
    expires: datetime
    at: datetime
    by: str
    used_by: str = ""
    """The digest of the public key that came with it; it alone may come again."""


def draw(
    *,
    name: str,
    alternatives: tuple[str, ...],
    days: int | None,
    renew: bool,
    expires: datetime,
    at: datetime,
    by: str,
) -> tuple[str, Invitation]:
    """Make a token, which is told once, and what is kept of it."""
    own, secret, salt = secrets.token_hex(6), secrets.token_hex(20), secrets.token_hex(SALT_BYTES)
    made = Invitation(
        id=own,
        salt=salt,
        digest=_digest(salt, secret),
        name=name,
        alternatives=alternatives,
        days=days,
        renew=renew,
        expires=expires,
        at=at,
        by=by,
    )
    return f"ctle_{own}_{secret}", made


def find(known: Iterable[Invitation], token: str) -> Invitation | None:
    """Give the invitation of a token, in the same time whatever is wrong with it."""
    parts = TOKEN.fullmatch(token)
    own, secret = parts.groups() if parts else ("", "")
    one = next((one for one in known if one.id == own), None)
    wanted = _digest(one.salt if one else "", secret)
    same = hmac.compare_digest(one.digest if one else _digest("none", secret), wanted)
    return one if same else None


def load(folder: Folder) -> tuple[Invitation, ...]:
    """Read them, oldest first.

    Raises:
        StateError: the file is damaged.
    """
    data = folder.read(FILE)
    if data is None:
        return ()
    try:
        return tuple(msgspec.json.decode(data, type=list[Invitation]))
    except msgspec.MsgspecError as error:
        raise StateError(
            f"cannot read {folder.path / FILE}: {error}",
            hint="move it away: open invitations are lost, certificates are not",
        ) from error


def save(folder: Folder, known: Iterable[Invitation], *, now: datetime) -> None:
    """Write those that have not ended; the file is the old or the new at every moment."""
    kept = [one for one in known if one.expires > now]
    folder.write(FILE, msgspec.json.encode(kept) + b"\n", mode=PRIVATE)


def _digest(salt: str, secret: str) -> str:
    """Digest a secret: it has 160 random bits, so it need not be slow."""
    return hashlib.sha256(f"{salt}:{secret}".encode()).hexdigest()
