"""What kills a played process at one of its next writes, before or after that is durable."""

from collections.abc import Callable
from dataclasses import dataclass


class Died(Exception):  # noqa: N818 - it is no error
    """The process is gone."""


@dataclass(slots=True)
class Fuse:
    """Burns at a chosen write; cold until it is lit."""

    left: int = 0
    """Writes until then; 0 for never."""
    after: bool = False

    def light(self, writes: int, *, after: bool) -> None:
        """Burn at so many writes from now."""
        self.left, self.after = writes, after

    def put_out(self) -> None:
        """Burn no more."""
        self.left = 0

    def write(self, act: Callable[[], object]) -> None:
        """Write in one piece, or not at all.

        Raises:
            Died: whoever writes is gone by it.
        """
        burns, self.left = self.left == 1, max(0, self.left - 1)
        if burns and not self.after:
            raise Died
        act()
        if burns:
            raise Died
