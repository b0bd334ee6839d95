"""What the reader has to say: a refusal of one thing, and the list of all findings of one reading.

Every module of this package raises `Refusal` or adds to `Findings`; `inventory.read` hands the list out.
"""

from dataclasses import dataclass, field

from controller.model.diagnostic import Diagnostic, Place, Severity

MAX_FINDINGS = 100
"""More of them help nobody; the rest is counted, not kept."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """One thing cannot be read; it always becomes a located diagnostic."""

    def __init__(self, message: str, place: Place, *, code: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code=code, message=message, place=place, hint=hint)


@dataclass(slots=True)
class Findings:
    """The findings of one reading, each said once."""

    items: dict[Diagnostic, None] = field(default_factory=dict)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a finding unless the same was kept before or there are too many."""
        if len(self.items) < MAX_FINDINGS:
            self.items[diagnostic] = None

    def warn(self, message: str, place: Place, *, code: str, hint: str | None = None) -> None:
        """Keep something that is probably not what was meant."""
        self.add(
            Diagnostic(
                severity=Severity.WARNING, code=code, message=message, place=place, hint=hint
            )
        )

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(item.severity is Severity.ERROR for item in self.items)
