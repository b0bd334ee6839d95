"""One encrypted value of a SOPS file: `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`.

AES-256-GCM under the data key of the file; bound to the names above it, so that values cannot change places. Called by
`opening` and `closing`.
"""

import base64
import binascii
import os
import re
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controller.secrets.sops.values import Path, Scalar, typed
from controller.secrets.trouble import ReadingError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 32
TAG_BYTES: Final = 16
_SHORTEST_NONCE: Final = 12
_FORM: Final = re.compile(
    r"ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z]+)\]"
)


def is_closed(value: str) -> bool:
    """Say whether a text has the form of an encrypted value."""
    return _FORM.fullmatch(value) is not None


def bound_to(path: Path) -> bytes:
    """Give what a value is bound to: the names above it; places in lists do not count."""
    names = [part for part in path if isinstance(part, str)]
    return (":".join(names) + ":").encode("utf-8", "surrogateescape")


def close_leaf(scalar: Scalar, key: bytes, bound: bytes) -> str:
    """Encrypt a value."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, scalar.encoded(), bound)
    data, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    parts = (base64.b64encode(part).decode() for part in (data, nonce, tag))
    return "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{}]".format(*parts, scalar.type)


def open_leaf(value: str, key: bytes, bound: bytes, *, called: str) -> Scalar:
    """Decrypt a value.

    Args:
        value: in the form of an encrypted value.
        key: the data key.
        bound: what it has to be bound to.
        called: how messages call it.

    Raises:
        ReadingError: it was changed, moved, or encrypted under another key.
    """
    form = _FORM.fullmatch(value)
    if form is None:
        raise ReadingError(f"{called} is not encrypted")
    try:
        data, nonce, tag = (base64.b64decode(part, validate=True) for part in form.groups()[:3])
    except binascii.Error:
        raise ReadingError(f"{called} is damaged") from None
    if len(tag) != TAG_BYTES or not _SHORTEST_NONCE <= len(nonce) <= NONCE_BYTES:
        raise ReadingError(f"{called} is damaged")
    try:
        raw = AESGCM(key).decrypt(nonce, data + tag, bound)
    except InvalidTag:
        raise ReadingError(f"{called} was changed or moved") from None
    return typed(form.group(4), raw)
