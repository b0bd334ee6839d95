"""What a server remembers of the time in which something on it was changed, and what that says of who did it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Confidence(StrEnum):
    """How far a clue can be relied on."""

    CERTAIN = "certain"  # another controller wrote its name there
    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """One sentence about who or what may have changed something; text from the server is raw."""

    confidence: Confidence
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTimes:
    """When a path was written and when anything of it was changed, and whose it is; `gone`: these are of its folder."""

    modified: datetime
    changed: datetime
    owner: str
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody who was logged in; `end` None: still, or nobody knows."""

    who: str
    start: datetime
    end: datetime | None = None
    line: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that somebody ran as somebody else."""

    who: str
    at: datetime
    user: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one server tells; `lacks` says what could not be asked, and why."""

    paths: Mapping[str, PathTimes] = field(default_factory=dict)
    logins: tuple[Login, ...] = ()
    commands: tuple[Command, ...] = ()
    lacks: tuple[str, ...] = ()
