"""The ports of what only a serving controller keeps: tokens, parts, contacts, due times, marks, news, answers, the outbox.

As in `ports`: every method is durable when it returns, reads see every write that has returned, and every table has a bound.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from controller.model.notice import Letter, Trouble
from controller.model.serving import Answered, Contact, Due, News, Part
from controller.model.token import Token


class Tokens(Protocol):
    """Tokens of the API."""

    async def add(self, token: Token) -> bool:
        """Store a new token; false when its id is taken."""
        ...

    async def get(self, id_: str) -> Token | None:
        """Find a token by its id."""
        ...

    async def all(self) -> tuple[Token, ...]:
        """List all tokens, oldest first, those that are over included."""
        ...

    async def change(self, before: Token, after: Token) -> bool:
        """Replace a token that still is as it was read; false when it is not."""
        ...

    async def used(self, id_: str, at: datetime, place: str) -> None:
        """Note that a token was used; called at most once a minute for each."""
        ...


class Parts(Protocol):
    """Heartbeats of the parts of serving controllers."""

    async def beat(self, part: Part) -> None:
        """Store a heartbeat, replacing that of the same name and instance."""
        ...

    async def all(self) -> tuple[Part, ...]:
        """List them, the newest heartbeat of a name first; those silent for a day are gone."""
        ...


class Contacts(Protocol):
    """How servers were reached over time."""

    async def all(self) -> Mapping[str, Contact]:
        """Read every contact by server."""
        ...

    async def get(self, server: str) -> Contact | None:
        """Read the contact of one server."""
        ...

    async def put(self, contacts: Iterable[Contact]) -> None:
        """Replace the contacts of these servers."""
        ...

    async def forget(self, servers: Iterable[str]) -> None:
        """Delete contacts."""
        ...


class Dues(Protocol):
    """Due times of schedules: a row for each, so that none fires twice."""

    async def claim(self, due: Due) -> bool:
        """Record what becomes of a due time; false when it was recorded before, whatever was said then."""
        ...

    async def last(self, target: str) -> Due | None:
        """Give the latest due time of a target that is recorded."""
        ...

    async def list(self, target: str, *, limit: int = 20) -> tuple[Due, ...]:
        """List due times of a target, the latest first."""
        ...


class Marks(Protocol):
    """Single values that must outlive the process, by name: the commit in force, pokes, whether dispatch is held."""

    async def get(self, name: str) -> str | None:
        """Read a mark."""
        ...

    async def prefixed(self, prefix: str) -> Mapping[str, str]:
        """Read all marks whose name begins so."""
        ...

    async def put(self, name: str, value: str) -> None:
        """Store a mark."""
        ...

    async def swap(self, name: str, before: str | None, after: str | None) -> bool:
        """Replace a mark that still is `before` (None: there is none) by `after` (None: none); false when it is not."""
        ...


class Newsroom(Protocol):
    """What changed, in order, for those who watch; the oldest is dropped beyond 10,000."""

    async def append(
        self, at: datetime, items: Sequence[tuple[str, str, Mapping[str, object]]]
    ) -> int:
        """Store news of (kind, name, data) in order; give the number of the last."""
        ...

    async def after(self, seq: int, *, limit: int = 500) -> tuple[News, ...]:
        """Give what came after a number, oldest first."""
        ...

    async def ends(self) -> tuple[int, int]:
        """Give the numbers of the oldest and the newest that are kept; (0, 0) while there is none."""
        ...


class Answers(Protocol):
    """Answers to requests with an idempotency key; those older than a day are gone."""

    async def reserve(self, answered: Answered) -> Answered | None:
        """Store the beginning of an answer (status 0); give what is stored already under the same key and caller."""
        ...

    async def complete(self, answered: Answered) -> None:
        """Store the whole answer in place of its beginning."""
        ...

    async def drop(self, key: str, caller: str) -> None:
        """Delete an answer whose request came to nothing, so that it may be tried again."""
        ...


class Outbox(Protocol):
    """Letters that wait to be sent, and the troubles that people were told of."""

    async def post(
        self, letters: Iterable[Letter], *, troubles: Mapping[str, Trouble | None]
    ) -> int:
        """Store letters, and by "SUBJECT PROBLEM" what trouble there is now (None: none), in one transaction.

        A letter whose id is there already stays as it is: what is told twice by one who could not know is told once.

        Returns:
            How many letters that waited were dropped, because there were too many.
        """
        ...

    async def troubles(self, names: Collection[str] | None = None) -> Mapping[str, Trouble]:
        """Read the troubles that people were told of, by "SUBJECT PROBLEM"; those that are over for a while, too.

        Args:
            names: only these; None: all.
        """
        ...

    async def waiting(self, now: datetime, *, limit: int = 100) -> tuple[Letter, ...]:
        """List letters that are due, the longest due first."""
        ...

    async def next_due(self) -> datetime | None:
        """Say when the next letter is due; None when none waits."""
        ...

    async def put(self, letters: Iterable[Letter]) -> None:
        """Replace letters by id."""
        ...

    async def list(self, *, limit: int = 50) -> tuple[Letter, ...]:
        """List letters, newest first."""
        ...
