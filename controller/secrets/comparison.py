"""Compares secrets with what was applied, without keeping a value.

`reconcile` calls it for each pair and hands the answers to the planner; `jobs` makes the digests of a new marker with it. Pure but
for reading values through the function it is given.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.errors import SecretError
from controller.secrets.keyring import UnreadableError
from controller.secrets.value import SecretText

KEY_BYTES: Final = 32


class Verdict(StrEnum):
    """How a secret's value compares with the one that was applied."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"  # nothing to compare with: never applied here
    UNREADABLE = "unreadable"  # the value cannot be read on this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One secret of one pair; `reason` says why a value is unreadable: "env DB_PASSWORD is not set"."""

    verdict: Verdict
    reason: str = ""


def new_key() -> str:
    """Make the key of a pair: 32 random bytes as hex."""
    return secrets.token_hex(KEY_BYTES)


def keyed(key: str, value: SecretText) -> str:
    """Hash a value under the key of a pair: HMAC-SHA256 as hex."""
    return hmac.digest(bytes.fromhex(key), value.reveal_bytes(), "sha256").hex()


def compare(
    applied_key: str,
    applied: Mapping[str, str],
    wanted: Iterable[str],
    read: Callable[[str], SecretText],
) -> Mapping[str, Judged]:
    """Compare the wanted secrets of a pair with those that were applied.

    Args:
        applied_key: the key of the pair as hex, empty when it was never applied.
        applied: keyed digests by secret name, from the applied record.
        wanted: names of the secrets the pair uses now.
        read: gives a value, or raises `SecretError`.
    """
    return {name: _judge(applied_key, applied.get(name), name, read) for name in sorted(wanted)}


def _judge(key: str, digest: str | None, name: str, read: Callable[[str], SecretText]) -> Judged:
    if not key or digest is None:
        return Judged(verdict=Verdict.NEW)
    try:
        value = read(name)
    except UnreadableError as error:
        return Judged(verdict=Verdict.UNREADABLE, reason=error.reason)
    except SecretError as error:
        return Judged(verdict=Verdict.UNREADABLE, reason=error.message)
    same = hmac.compare_digest(keyed(key, value).encode(), digest.encode())
    return Judged(verdict=Verdict.SAME if same else Verdict.CHANGED)
