"""Collects what is wrong with a declaration, so that all of it is told in one pass; every rule adds to one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from controller.model.diagnostic import Diagnostic, Place, Severity

MOST: Final = 1_000
"""Findings kept: more help nobody, and a hostile file could make millions."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The findings so far; `sorted` puts them in the order of files and lines."""

    items: list[Diagnostic] = field(default_factory=list)
    valid: bool = True
    """Whether nothing is an error."""

    def error(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        """Add an error: the declaration is not valid."""
        self.extend([Diagnostic(code=code, message=message, place=place, hint=hint)])

    def warn(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        """Add a warning: valid, but probably not what was meant."""
        finding = Diagnostic(
            severity=Severity.WARNING, code=code, message=message, place=place, hint=hint
        )
        self.extend([finding])

    def extend(self, findings: Iterable[Diagnostic]) -> None:
        """Add findings; past the bound none is kept but the first error."""
        for finding in findings:
            first_error = self.valid and finding.severity is Severity.ERROR
            if len(self.items) < MOST or first_error:
                self.items.append(finding)
            if first_error:
                self.valid = False

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Give each finding once, by file, line and column."""
        unique = dict.fromkeys(self.items)
        return tuple(sorted(unique, key=lambda item: (item.place, item.code, item.message)))
