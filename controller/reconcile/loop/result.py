"""How the reconciling of a key ends when nothing went wrong: done, or again at a known time for a reason.

Given by every reconciler, read by the worker. There is no bare "again".
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do until something changes."""


@dataclass(frozen=True, slots=True)
class After:
    """Something is due in so many seconds, and why."""

    seconds: float
    reason: str


Result = Done | After


def sooner(one: Result, other: Result) -> Result:
    """Give the one that is due first."""
    if isinstance(one, Done):
        return other
    if isinstance(other, Done):
        return one
    return min(one, other, key=lambda each: each.seconds)
