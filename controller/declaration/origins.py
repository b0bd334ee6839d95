"""Where the variables of a server are written: found when somebody asks, since hardly any command does.

Made by `servers`; reads the marks of a `block`.
"""

from collections.abc import Iterator, Mapping

from controller.declaration.block import Block
from controller.model.diagnostic import Place


class Origins(Mapping[str, Place]):
    """The place of every variable; those of the server's own block lie over those of its groups."""

    __slots__ = ("_block", "_found", "_groups")

    def __init__(self, groups: Mapping[str, Place], block: Block) -> None:
        self._groups = groups
        self._block = block
        self._found: dict[str, Place] | None = None

    def __getitem__(self, name: str) -> Place:
        """Give the place of one variable."""
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names of the variables, those of groups first."""
        return iter(self._all())

    def __len__(self) -> int:
        """Count the variables."""
        return len(self._all())

    def __repr__(self) -> str:
        """Show what a dictionary would show."""
        return repr(self._all())

    def _all(self) -> dict[str, Place]:
        if self._found is None:
            self._found = {**self._groups, **self._block.places("vars")}
        return self._found
