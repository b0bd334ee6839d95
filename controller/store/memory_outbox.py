"""The reference twin of the outbox, in dictionaries.

Called by `memory`; records pass through the same text as in the database.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from controller.model.notice import Delivery, Letter, Trouble
from controller.store import bounds
from controller.store.rows import decode, encode


class MemoryOutbox:
    """Letters that wait to be sent, and the troubles that people were told of."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self._troubles: dict[str, str] = {}

    async def post(
        self, letters: Iterable[Letter], *, troubles: Mapping[str, Trouble | None]
    ) -> int:
        """Store letters, and by "SUBJECT PROBLEM" what trouble there is now (None: none)."""
        further = {letter.id: encode(letter) for letter in letters}
        stand = {name: encode(one) for name, one in troubles.items() if one is not None}
        self._letters = further | self._letters
        self._troubles |= stand
        for name in troubles.keys() - stand.keys():
            self._troubles.pop(name, None)
        self._drop_troubles()
        return self._drop_letters()

    async def troubles(self, names: Collection[str] | None = None) -> Mapping[str, Trouble]:
        """Read the troubles that people were told of, or some of them; those that are over for a while, too."""
        found = sorted(self._troubles.items())
        wanted = [(name, data) for name, data in found if names is None or name in names]
        return {name: decode(Trouble, data) for name, data in wanted}

    async def waiting(self, now: datetime, *, limit: int = 100) -> tuple[Letter, ...]:
        """List letters that are due, the longest due first."""
        due = [one for one in self._all() if one.state is Delivery.WAITING and one.due <= now]
        return tuple(sorted(due, key=lambda one: (one.due, one.created_at, one.id))[:limit])

    async def next_due(self) -> datetime | None:
        """Say when the next letter is due; None when none waits."""
        return min((one.due for one in self._all() if one.state is Delivery.WAITING), default=None)

    async def put(self, letters: Iterable[Letter]) -> None:
        """Replace letters by id; those that were dropped meanwhile stay away."""
        changed = {letter.id: encode(letter) for letter in letters}
        self._letters |= {id_: data for id_, data in changed.items() if id_ in self._letters}

    async def list(self, *, limit: int = 50) -> tuple[Letter, ...]:
        """List letters, newest first."""
        return tuple(reversed(self._all()))[:limit]

    def drop(self, before: datetime, limit: int) -> int:
        """Delete letters that were written before a moment and do not wait any more; give how many went."""
        over = [
            one
            for one in self._all()
            if one.created_at < before and one.state is not Delivery.WAITING
        ]
        for letter in over[:limit]:
            del self._letters[letter.id]
        return len(over[:limit])

    def _all(self) -> Sequence[Letter]:
        """List all letters, the oldest first."""
        letters = [decode(Letter, data) for data in self._letters.values()]
        return sorted(letters, key=lambda one: (one.created_at, one.id))

    def _drop_letters(self) -> int:
        many = len(self._letters) - bounds.LETTERS
        if many <= 0:
            return 0
        first = sorted(self._all(), key=lambda one: one.state is Delivery.WAITING)[:many]
        for letter in first:
            del self._letters[letter.id]
        return sum(letter.state is Delivery.WAITING for letter in first)

    def _drop_troubles(self) -> None:
        many = len(self._troubles) - bounds.TROUBLES
        if many > 0:
            found = {name: decode(Trouble, data) for name, data in self._troubles.items()}
            for name in sorted(found, key=lambda name: (found[name].since, name))[:many]:
                del self._troubles[name]
