"""A new age key, for people and programs: its public half, never the other."""

from dataclasses import dataclass
from pathlib import Path

from controller.cli.views.style import Style
from controller.cli.views.words import line


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """Where a new key lies, and for whom files are closed that it opens."""

    recipient: str
    file: Path

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        return f"recipient  {self.recipient}\nkey        {line(str(self.file))}"

    def document(self) -> object:
        """Give it to programs."""
        return {"format_version": "1.0", "recipient": self.recipient, "file": str(self.file)}
