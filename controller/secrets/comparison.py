"""Compares secrets with what was applied, without keeping a value.

`reconcile` calls it for each pair and hands the answers to the planner; `jobs` makes the digests of a new marker with it. Pure but
for reading values through the function it is given.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from controller.errors import SecretError
from controller.model.compared import Compared, Comparison
from controller.secrets.keyring import UnreadableError
from controller.secrets.value import SecretText

KEY_BYTES: Final = 32


def new_key() -> str:
    """Make the key of a pair: 32 random bytes as hex."""
    return secrets.token_hex(KEY_BYTES)


def keyed(key: str, value: SecretText) -> str:
    """Hash a value under the key of a pair: HMAC-SHA256 as hex."""
    return hmac.digest(bytes.fromhex(key), value.reveal_bytes(), "sha256").hex()


def keyed_text(key: str, value: str) -> str:
    """Hash a text under the key of a pair; bytes that are no UTF-8 travel in it as surrogates."""
    return keyed(key, SecretText(value.encode("utf-8", "surrogateescape")))


def compare(
    applied_key: str,
    applied: Mapping[str, str],
    wanted: Iterable[str],
    read: Callable[[str], SecretText],
) -> Mapping[str, Compared]:
    """Compare the wanted secrets of a pair with those that were applied.

    Args:
        applied_key: the key of the pair as hex, empty when it was never applied.
        applied: keyed digests by secret name, from the applied record.
        wanted: names of the secrets the pair uses now.
        read: gives a value, or raises `SecretError`.
    """
    return {name: _judge(applied_key, applied.get(name), name, read) for name in sorted(wanted)}


def _judge(key: str, digest: str | None, name: str, read: Callable[[str], SecretText]) -> Compared:
    if not key or digest is None:
        return Compared(comparison=Comparison.NEW)
    try:
        value = read(name)
    except UnreadableError as error:
        return Compared(comparison=Comparison.UNREADABLE, reason=error.reason)
    except SecretError as error:
        return Compared(comparison=Comparison.UNREADABLE, reason=error.message)
    same = hmac.compare_digest(keyed(key, value).encode(), digest.encode())
    return Compared(comparison=Comparison.SAME if same else Comparison.CHANGED)
