"""The lower half of the screen: what attached jobs say, line by line with their servers before it, and a line to type.

Everything untrusted goes through `safe_text`; the scrollback is bounded. Used by `screen`.
"""

from typing import Final

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, RichLog

from controller.cli.top.words import MOST
from controller.cli.views.words import line

SCROLLBACK: Final = 5000
"""Lines that are kept."""
INKS: Final = ("cyan", "green", "magenta", "yellow", "blue", "red")


class Console(Vertical):
    """Scrollback and command line."""

    DEFAULT_CSS = """
    Console { height: 2fr; border-top: solid $primary; }
    Console RichLog { height: 1fr; }
    Console Input { height: 3; }
    """

    def __init__(self) -> None:
        super().__init__(id="console")
        self._log = RichLog(max_lines=SCROLLBACK, markup=False, highlight=False, wrap=True)
        self._input = Input(placeholder=":help, or input for what is attached", max_length=MOST)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._log
        yield self._input

    def say(self, text: str, *, bad: bool = False) -> None:
        """Write a line of our own."""
        for part in text.splitlines() or [""]:
            self._log.write(Text(line(part), style="bold red" if bad else "bold"))

    def output(self, server: str, text: str, *, number: int) -> None:
        """Write lines of a job: `text` has gone through `safe_text`, and may hold colours it allows."""
        if not text:
            return
        head = Text(f"{line(server)} │ ", style=INKS[number % len(INKS)])
        for part in text.split("\n"):
            self._log.write(head + Text.from_ansi(part))

    def wipe(self) -> None:
        """Empty the scrollback."""
        self._log.clear()

    def type(self, text: str) -> None:
        """Put the cursor into the command line, after this text."""
        self._input.value = text
        self._input.cursor_position = len(text)
        self._input.focus()
