"""The reference twin of what people decided, in a dictionary.

Called by `memory`; facts pass through the same rows as on SQLite.
"""

from controller.model.standing import Fact, Standing
from controller.store import retention
from controller.store.facts import fact_row, standing_of


class MemoryStandings:
    """Suspensions, approvals, pins, ignores."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str, str], str] = {}

    async def all(self) -> Standing:
        """Read everything that stands, expired facts included."""
        return standing_of((kind, data) for (kind, _, _), data in self._facts.items())

    async def put(self, fact: Fact) -> None:
        """Store a fact, replacing the one it takes the place of."""
        row = fact_row(fact)
        self._facts.pop((row.kind, row.target, row.key), None)
        self._facts[row.kind, row.target, row.key] = row.data
        same = [key for key in self._facts if key[:2] == (row.kind, row.target)]
        for key in same[: -retention.KEPT_FACTS.get(row.kind, 1)]:
            del self._facts[key]

    async def lift(self, fact: Fact) -> bool:
        """Delete exactly this fact; false when it is gone already, or another has taken its place."""
        row = fact_row(fact)
        if self._facts.get((row.kind, row.target, row.key)) != row.data:
            return False
        del self._facts[row.kind, row.target, row.key]
        return True
