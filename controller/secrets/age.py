"""Files closed with age (https://age-encryption.org/v1) for native X25519 keys, and nothing else: the one door to `pyrage`.

Plugins are never started and passphrases never tried: a file chooses neither what is run here nor how long it takes. Called by
`sources`, `sops` and the face of `ctl secret`; everything is in memory.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyrage

from controller.secrets.trouble import ReadingError

MAGIC: Final = b"age-encryption.org/v1\n"
ARMOR: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
ARMOR_END: Final = b"-----END AGE ENCRYPTED FILE-----"
MOST_STANZAS: Final = 256
"""Recipients of one file."""
MOST_KEYS: Final = 64
"""Identities of one key file, and recipients of one file that we make."""
_RECIPIENT: Final = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_IDENTITY: Final = re.compile(r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeKey:
    """A native X25519 identity; `recipient` is its public half."""

    recipient: str
    identity: pyrage.x25519.Identity = field(repr=False)


def new_key() -> AgeKey:
    """Make a key from the system's randomness."""
    identity = pyrage.x25519.Identity.generate()
    return AgeKey(recipient=str(identity.to_public()), identity=identity)


def key_file(key: AgeKey, made: str) -> bytes:
    """Write a key as `age-keygen` does; `made` is a time."""
    return f"# created: {made}\n# public key: {key.recipient}\n{key.identity}\n".encode()


def read_keys(text: bytes) -> tuple[AgeKey, ...]:
    """Read a file of identities: one a line, comments after `#`.

    Raises:
        ReadingError: it holds none, or something else.
    """
    found: list[AgeKey] = []
    for number, line in enumerate(_lines(text), 1):
        if not _IDENTITY.fullmatch(line):
            raise ReadingError(
                f"line {number} that counts is no AGE-SECRET-KEY-1 of age",
                hint="only native keys are used: no plugins, no ssh keys, no passphrases",
            )
        try:
            identity = pyrage.x25519.Identity.from_str(line)
        except pyrage.IdentityError:
            raise ReadingError(f"key {number} is damaged") from None
        found.append(AgeKey(recipient=str(identity.to_public()), identity=identity))
    if not 0 < len(found) <= MOST_KEYS:
        raise ReadingError(f"it holds {len(found)} keys; 1 to {MOST_KEYS} are read")
    return tuple(found)


def read_recipients(text: bytes) -> tuple[str, ...]:
    """Read a file of recipients: one a line, comments after `#`."""
    return tuple(_lines(text))


def _lines(text: bytes) -> Iterable[str]:
    for raw in text.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if line and not line.startswith("#"):
            yield line


def check_recipients(recipients: Sequence[str]) -> tuple[str, ...]:
    """Give recipients without repetition, if each is one of a native X25519 key.

    Raises:
        ReadingError: one is of a plugin, of ssh or damaged, or there is none or too many.
    """
    distinct = tuple(dict.fromkeys(recipients))
    if not 0 < len(distinct) <= MOST_KEYS:
        raise ReadingError(f"{len(distinct)} recipients; 1 to {MOST_KEYS} are needed")
    for recipient in distinct:
        _recipient(recipient)
    return distinct


def _recipient(text: str) -> pyrage.x25519.Recipient:
    if _RECIPIENT.fullmatch(text):
        try:
            return pyrage.x25519.Recipient.from_str(text)
        except pyrage.RecipientError:
            pass  # the letters are right, their checksum is not
    raise ReadingError(
        f"{ascii(text[:80])[1:-1]} is no recipient of a native age key",
        hint="such as age1... with 62 characters, as ctl secret keygen prints it",
    )


def seal(data: bytes, recipients: Sequence[str]) -> bytes:
    """Close bytes for every recipient, armored.

    Raises:
        ReadingError: a recipient is not that of a native key.
    """
    keys = [_recipient(one) for one in check_recipients(recipients)]
    return pyrage.encrypt(data, keys, armored=True)


def is_sealed(data: bytes) -> bool:
    """Say whether bytes look like a file of age, armored or not."""
    return data.startswith(MAGIC) or data.lstrip().startswith(ARMOR)


def unseal(data: bytes, keys: Sequence[AgeKey]) -> bytes:
    """Open what was closed for one of the keys.

    Raises:
        ReadingError: it is none of age, is closed for others or by a passphrase, or was changed.
    """
    binary = _dearmored(data)
    kinds = _stanzas(binary)
    if "X25519" not in kinds:
        how = "a passphrase" if "scrypt" in kinds else "other kinds of keys only"
        raise ReadingError(
            f"it is closed by {how}", hint="close it for a native age key: ctl secret encrypt"
        )
    try:
        return pyrage.decrypt(binary, [key.identity for key in keys])
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            mine = ", ".join(key.recipient for key in keys)
            raise ReadingError(
                f"it is not closed for the age key here ({mine})",
                hint="close it for that recipient as well, or use the right key file",
            ) from None
        raise ReadingError("it is damaged or was changed") from None


def _dearmored(data: bytes) -> bytes:
    """Take the armor off, as strictly as age does but for line ends and space around."""
    if not is_sealed(data):
        raise ReadingError("it is no file of age")
    if data.startswith(MAGIC):
        return data
    first, *body = data.strip().splitlines()
    if first != ARMOR or not body or body[-1] != ARMOR_END:
        raise ReadingError("its armor is damaged")
    try:
        binary = base64.b64decode(b"".join(body[:-1]), validate=True)
    except binascii.Error:
        raise ReadingError("its armor is damaged") from None
    if not binary.startswith(MAGIC):
        raise ReadingError("it is no file of age")
    return binary


def _stanzas(binary: bytes) -> frozenset[str]:
    """Look at the kinds of recipients in the header, before anything is computed."""
    kinds: list[str] = []
    for line in binary[len(MAGIC) :].split(b"\n"):
        if line.startswith(b"---"):
            return frozenset(kinds)
        if line.startswith(b"-> "):
            kinds.append(line[3:].split(b" ")[0].decode("ascii", "replace"))
        if len(kinds) > MOST_STANZAS:
            raise ReadingError(f"it has over {MOST_STANZAS} recipients")
    raise ReadingError("its header is damaged")
