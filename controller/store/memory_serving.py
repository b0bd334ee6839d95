"""The reference twins of what a serving controller knows: parts, contacts, due times, marks.

Called by `memory`; records pass through the same text as in the database.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.model.serving import Contact, Due, Part
from controller.store import bounds
from controller.store.contacts import by_server
from controller.store.marks import by_name, check_mark, check_number
from controller.store.parts import newest_first
from controller.store.rows import decode, encode, stamp


class MemoryParts:
    """Heartbeats of parts."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], str] = {}

    async def beat(self, part: Part) -> None:
        """Store a heartbeat, replacing that of the same name and instance; who has been silent for a day goes."""
        self._parts[part.name, part.instance] = encode(part)
        seen = {key: decode(Part, data).seen_at for key, data in self._parts.items()}
        newest = sorted(seen.values(), reverse=True)[: bounds.PARTS]
        edge = max(newest[-1], part.seen_at - bounds.SILENT)
        self._parts = {key: data for key, data in self._parts.items() if seen[key] >= edge}

    async def all(self) -> tuple[Part, ...]:
        """List them, by name, the newest heartbeat of a name first."""
        return newest_first(decode(Part, data) for data in self._parts.values())


class MemoryContacts:
    """How servers were reached over time."""

    def __init__(self) -> None:
        self._contacts: dict[str, str] = {}

    async def all(self) -> Mapping[str, Contact]:
        """Read every contact by server."""
        return by_server(decode(Contact, data) for data in self._contacts.values())

    async def get(self, server: str) -> Contact | None:
        """Read the contact of one server."""
        data = self._contacts.get(server)
        return None if data is None else decode(Contact, data)

    async def put(self, contacts: Iterable[Contact]) -> None:
        """Replace the contacts of these servers."""
        self._contacts |= {contact.server: encode(contact) for contact in contacts}

    async def forget(self, servers: Iterable[str]) -> None:
        """Delete contacts."""
        for server in servers:
            self._contacts.pop(server, None)


class MemoryDues:
    """Due times of schedules."""

    def __init__(self) -> None:
        self._dues: dict[str, dict[str, str]] = {}

    async def claim(self, due: Due) -> bool:
        """Record what becomes of a due time; false when it was recorded before, or is older than all that are kept."""
        data, key = encode(due), stamp(due.due)
        its = self._dues.setdefault(due.target, {})
        if key in its or (len(its) >= bounds.DUES and key < min(its)):
            return False
        its[key] = data
        for old in sorted(its)[: -bounds.DUES]:
            del its[old]
        return True

    async def last(self, target: str) -> Due | None:
        """Give the latest due time of a target that is recorded."""
        found = await self.list(target, limit=1)
        return found[0] if found else None

    async def list(self, target: str, *, limit: int = 20) -> tuple[Due, ...]:
        """List due times of a target, the latest first."""
        its = self._dues.get(target, {})
        return tuple(decode(Due, its[key]) for key in sorted(its, reverse=True)[:limit])

    def drop(self, before: datetime, limit: int) -> int:
        """Delete due times before a moment, but never the latest of a target; give how many went."""
        edge = stamp(before)
        over = sorted(
            (key, target)
            for target, its in self._dues.items()
            for key in sorted(its)[:-1]
            if key < edge
        )[:limit]
        for key, target in over:
            del self._dues[target][key]
        return len(over)


class MemoryMarks:
    """Single values by name."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        """Read a mark."""
        return self._marks.get(name)

    async def prefixed(self, prefix: str) -> Mapping[str, str]:
        """Read all marks whose name begins so."""
        marks = self._marks.items()
        return by_name((name, value) for name, value in marks if name.startswith(prefix))

    async def put(self, name: str, value: str) -> None:
        """Store a mark."""
        check_mark(name, value)
        if name not in self._marks:
            check_number(name, len(self._marks) + 1)
        self._marks[name] = value

    async def swap(self, name: str, before: str | None, after: str | None) -> bool:
        """Replace a mark that still is `before` (None: there is none) by `after` (None: none); false when it is not."""
        check_mark(name, after or "")
        if self._marks.get(name) != before:
            return False
        if after is not None:
            await self.put(name, after)
        else:
            self._marks.pop(name, None)
        return True
