"""Which inputs differ from those of the applied run, told from the manifest that its record keeps.

Called by `verdict`. A manifest maps input names, in order, to the first eight hex digits of their digests, as many as a
marker has room for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.model.work import Work

DIGITS: Final = 8
FULL: Final = 7_500
"""Bytes of names from which on a manifest may have been cut: a name behind its last one is then no news."""
ENTRY: Final = 14
"""Bytes of an entry beside its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Names of inputs that are not as they were."""

    changed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them: the source first, then in order of name."""
        every = {*self.changed, *self.new, *self.gone}
        return tuple(sorted(every, key=lambda name: (name != "source", name)))


def compare(before: Mapping[str, str], work: Work) -> Difference:
    """Name the inputs of a work that differ from a manifest; an empty manifest names none."""
    if not before:
        return Difference()
    now = work.inputs
    cut = sum(len(name.encode()) + ENTRY for name in before) > FULL
    last = max(before)
    return Difference(
        changed=tuple(n for n in before if n in now and now[n].digest[:DIGITS] != before[n]),
        new=tuple(n for n in now if n not in before and not (cut and n > last)),
        gone=tuple(n for n in before if n not in now),
    )
