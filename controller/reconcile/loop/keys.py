"""The names of what waits in the queue: a kind, and where there are several of it the name of one.

A key is a name, never an event: ten pokes of one key are one look. Used by everything of the loop; the queue itself knows only text.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from controller.errors import NotFoundError


class Kind(StrEnum):
    """What there is to reconcile; what is said of a name is said in the reconciler of the kind."""

    CONFIG = "config"
    REPO = "repo"
    SERVER = "server"
    TARGET = "target"
    RUN = "run"
    SCHEDULE = "schedule"
    OUTBOX = "outbox"
    EXPIRY = "expiry"
    RETENTION = "retention"


NAMED: Final = frozenset({Kind.REPO, Kind.SERVER, Kind.TARGET, Kind.RUN, Kind.SCHEDULE})
"""Kinds of which there are many, told apart by a name."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing to reconcile."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        """Write it as it stands in the queue: "kind/name", or "kind" alone."""
        return f"{self.kind}/{self.name}" if self.name else str(self.kind)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key as it stands in the queue.

        Raises:
            NotFoundError: there is no such kind, or its name is missing or one too many.
        """
        kind, _, name = text.partition("/")
        if kind not in set(Kind) or bool(name) is not (Kind(kind) in NAMED):
            raise NotFoundError(f"cannot reconcile {text!r}: there is no such key")
        return cls(Kind(kind), name)


CONFIG: Final = Key(Kind.CONFIG)
OUTBOX: Final = Key(Kind.OUTBOX)
EXPIRY: Final = Key(Kind.EXPIRY)
RETENTION: Final = Key(Kind.RETENTION)
