"""What a person is told of drift, and what adopting and ignoring it came to: records only.

Written by `drifting`, `adopting` and `ignoring`, read by the faces. Text that came from outside is raw here; diffs and output are
masked.
"""

from dataclasses import dataclass

from controller.model.evidence import Clue
from controller.model.standing import Ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedPart:
    """One thing that differs: a file or a checkout by its `path`, or the check of the pair (None)."""

    path: str | None
    what: str
    diff: str = ""
    clues: tuple[Clue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedPair:
    """All that differs of one pair; `clues` are about the pair as a whole, `lacks` is what its server could not tell."""

    target: str
    server: str
    parts: tuple[DriftedPart, ...] = ()
    clues: tuple[Clue, ...] = ()
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """Every drifted pair, what people chose to ignore, and the servers nobody could look at with the reason."""

    pairs: tuple[DriftedPair, ...] = ()
    ignored: tuple[Ignore, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAdopted:
    """A drifted path that stays as it is declared, why, and what to do instead."""

    path: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Live content as a patch of the config repository.

    `also` are further files of the pair that the patch changes, because they come from the same template or source;
    `others` counts further pairs whose work it changes.
    """

    patch: str = ""
    adopted: tuple[str, ...] = ()
    refused: tuple[NotAdopted, ...] = ()
    also: tuple[str, ...] = ()
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Drift that is not shown for a while; `replaced` is what stood before."""

    ignore: Ignore
    replaced: Ignore | None = None
