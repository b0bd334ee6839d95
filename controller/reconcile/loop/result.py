"""How the reconciling of a key ends when nothing went wrong: done, or again at a known time for a reason.

Given by every reconciler, read by the worker. There is no bare "again".
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do until something changes."""


@dataclass(frozen=True, slots=True)
class After:
    """Something is due in so many seconds, and why."""

    seconds: float
    reason: str


Result = Done | After

NOT_YET: Final = After(10.0, "no declarations are in force here yet")
"""Of a key that was taken before this process knows what is declared: in a queue that processes share nobody else would add it again soon.
Whoever has the declarations come into force here adds every key at once."""


def sooner(one: Result, other: Result) -> Result:
    """Give the one that is due first."""
    if isinstance(one, Done):
        return other
    if isinstance(other, Done):
        return one
    return min(one, other, key=lambda each: each.seconds)
