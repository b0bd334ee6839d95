"""Which pairs a command looks at: the whole declaration, or the part that its filters pick."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Names picked by `-l` and `--target`; None means all of them."""

    servers: frozenset[str] | None = None
    targets: frozenset[str] | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self.servers is None and self.targets is None

    def holds(self, target: str, server: str) -> bool:
        """Say whether a pair is looked at."""
        return (self.targets is None or target in self.targets) and (
            self.servers is None or server in self.servers
        )
