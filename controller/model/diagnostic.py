"""One finding about a declaration, with its place."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # the declaration is not valid
    WARNING = "warning"  # it is, but probably not what was meant


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where something is written: a path from the root of the config repository, line and column from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """Lines of a file that belong together, both ends included, from 1."""

    file: str
    first: int
    last: int


NOWHERE: Final = Place(file="")
"""For records that no file declares, such as those made in tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding.

    `code` is stable and kebab-case; `message` says what was found and what was expected; `hint` says how to
    mend it, "did you mean" included.
    """

    severity: Severity = Severity.ERROR
    code: str
    message: str
    place: Place
    hint: str | None = None
