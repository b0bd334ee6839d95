"""Output of jobs for people: whole lines, safe, with a heading per attempt and visible gaps."""

from collections.abc import Iterator

from controller.cli.views.style import Ink, Style
from controller.cli.views.words import step_name
from controller.model.safe_text import safe_text
from controller.reconcile.exchange.reports import LogChunk

_LONGEST = 65536
"""Bytes of an unfinished line that are held back; a longer one is shown in pieces."""
_COLOUR = 24
"""Bytes at the end in which the begin of a colour is looked for."""
_LEAD = 0xC0
"""Bytes from here on begin a character of several bytes."""


class OutputView:
    """Takes chunks in order and gives text to print."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._rest = b""
        self._current: tuple[str, int] | None = None
        self._begun = False
        """Whether a part of the line was shown by `pending`."""

    def feed(self, chunk: LogChunk) -> str:
        """Take a chunk, give the lines that are complete."""
        return "\n".join(self._feed(chunk))

    def rows(self, chunk: LogChunk) -> list[str]:
        """Take a chunk, give the lines that are complete one by one, empty ones too.

        After `pending` the first of them goes on with a line that stands there already.
        """
        begun, self._begun = self._begun, False
        moves = begun and ((chunk.step, chunk.attempt) != self._current or bool(chunk.gap))
        rows = [*([""] if moves else []), *self._feed(chunk)]
        if begun and not rows:
            self._begun = True
        return rows

    def pending(self) -> str:
        """Give what is there of a line that is not complete, but for a character or a colour of which a part is missing."""
        shown, self._rest = _cut(self._rest)
        self._begun = self._begun or bool(shown)
        return self._show(shown) if shown else ""

    def finish(self) -> str:
        """Give what was held back."""
        rest, self._rest = self._rest, b""
        begun, self._begun = self._begun, False
        return self._show(rest) + "\n" * begun if rest or begun else ""

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


def _cut(rest: bytes) -> tuple[bytes, bytes]:
    """Part what can be shown now from a character or a colour at the end that is not complete."""
    escape = rest.rfind(b"\x1b", -_COLOUR)
    if escape >= 0 and b"m" not in rest[escape:]:
        return rest[:escape], rest[escape:]
    for back in range(1, min(4, len(rest)) + 1):
        lead = rest[-back]
        if lead >= _LEAD:
            wanted = 2 + (lead >= 0xE0) + (lead >= 0xF0)  # noqa: PLR2004  # RFC 3629, section 3
            return (rest[:-back], rest[-back:]) if wanted > back else (rest, b"")
        if lead < _LEAD - 0x40:
            break
    return rest, b""
