"""A number of things, or a share of them: `3`, `25%`."""

from dataclasses import dataclass
from typing import Final

WHOLE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A count, or with `percent` a share in percent from 0 to 100."""

    number: int
    percent: bool = False

    def of(self, total: int, *, least: int = 0) -> int:
        """Count it in `total` things, a share rounded down, never below `least`."""
        count = total * self.number // WHOLE if self.percent else self.number
        return max(least, count)

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)
