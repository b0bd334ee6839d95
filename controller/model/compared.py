"""How a secret's value compares with the one that was applied; the value itself is never in here."""

from dataclasses import dataclass
from enum import StrEnum


class Comparison(StrEnum):
    """How a secret's value compares with the one that was applied."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"  # nothing to compare with: never applied here
    UNREADABLE = "unreadable"  # the value cannot be read on this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One secret of one pair; `reason` says why a value is unreadable: "env DB_PASSWORD is not set"."""

    comparison: Comparison
    reason: str = ""
