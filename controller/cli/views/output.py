"""Output of jobs for people: whole lines, safe, with a heading per attempt and visible gaps."""

from collections.abc import Iterator

from controller.cli.views.style import Ink, Style
from controller.cli.views.words import step_name
from controller.model.safe_text import safe_text
from controller.reconcile.requests import LogChunk

_LONGEST = 65536
"""Bytes of an unfinished line that are held back; a longer one is shown in pieces."""


class OutputView:
    """Takes chunks in order and gives text to print."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._rest = b""
        self._current: tuple[str, int] | None = None

    def feed(self, chunk: LogChunk) -> str:
        """Take a chunk, give the lines that are complete."""
        return "\n".join(self._feed(chunk))

    def finish(self) -> str:
        """Give what was held back."""
        rest, self._rest = self._rest, b""
        return self._show(rest) if rest else ""

    def _feed(self, chunk: LogChunk) -> Iterator[str]:
        place = (chunk.step, chunk.attempt)
        if self._rest and (place != self._current or chunk.gap):
            yield self.finish()
        if place != self._current:
            self._current = place
            tries = f" (try {chunk.attempt})" if chunk.attempt > 1 else ""
            yield self._style.paint(f"== {step_name(chunk.step)}{tries}", Ink.STRONG)
        if chunk.gap:
            yield self._style.paint(f"[{chunk.gap} bytes are missing here]", Ink.BLOCKED)
        *complete, self._rest = (self._rest + chunk.data).split(b"\n")
        yield from (self._show(row) for row in complete)
        if len(self._rest) > _LONGEST:
            yield self.finish()

    def _show(self, row: bytes) -> str:
        text = row.removesuffix(b"\r").replace(b"\t", b"    ")
        return safe_text(text, colours=self._style.color)
