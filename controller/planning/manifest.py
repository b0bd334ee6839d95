"""The input manifest: what a record keeps of its inputs, so that anyone can name what changed.

Written into records and markers through `manifest`, compared by `verdict` through `compare`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.model.digest import digest_of
from controller.model.work import Work

DIGITS: Final = 8
LIMIT: Final = 8192
"""Bytes of names and digits a manifest may have."""
REST: Final = "..."
"""Stands for every input that did not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Names of inputs that are not as they were; `certain` is false where a manifest did not hold them all."""

    changed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them: the source first, then in order of name."""
        every = {*self.changed, *self.new, *self.gone}
        return tuple(sorted(every, key=lambda name: (name != "source", name)))


def manifest(work: Work) -> dict[str, str]:
    """Shorten the digests of a work's inputs, in at most `LIMIT` bytes."""
    kept: dict[str, str] = {}
    left: dict[str, str] = {}
    room = LIMIT - len(REST) - DIGITS
    for name in sorted(work.inputs, key=lambda name: (name != "source", name)):
        digits = work.inputs[name].digest[:DIGITS]
        room -= len(name.encode()) + DIGITS
        (kept if room >= 0 else left)[name] = digits
    if left:
        kept[REST] = digest_of(left)[:DIGITS]
    return kept


def compare(before: Mapping[str, str], work: Work) -> Difference:
    """Name the inputs of a work that differ from a manifest; an empty manifest names none."""
    if not before:
        return Difference()
    now = work.inputs
    partial = REST in before
    return Difference(
        changed=tuple(n for n in before if n in now and now[n].digest[:DIGITS] != before[n]),
        new=() if partial else tuple(n for n in now if n not in before),
        gone=tuple(n for n in before if n not in now and n != REST),
    )
