"""Symbols with their ASCII twins, and colours that are never the only carrier of meaning.

Every view takes a `Style`; the terminal makes one per stream.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Ink(StrEnum):
    """A colour by what it means, with its escape code."""

    ADD = "32"
    CHANGE = "33"
    REMOVE = "31"
    COMMAND = "36"
    DRIFT = "35"
    QUIET = "2"
    BLOCKED = "1;33"
    BAD = "1;31"
    GOOD = "32"
    STRONG = "1"


class Symbol(StrEnum):
    """What stands before a line of a plan, a report or a check."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"
    COMMAND = ">"
    DRIFT = "≠"
    FORGET = "."
    BLOCKED = "!"
    UNKNOWN = "?"
    IN_SYNC = "="
    GOOD = "✔"
    BAD = "✗"
    DOT = "·"
    ARROW = "→"
    MORE = "…"


_ASCII: Final = {
    Symbol.DRIFT: "!=",
    Symbol.GOOD: "ok",
    Symbol.BAD: "FAIL",
    Symbol.DOT: "-",
    Symbol.ARROW: "->",
    Symbol.MORE: "...",
}

_INKS: Final = {
    Symbol.ADD: Ink.ADD,
    Symbol.CHANGE: Ink.CHANGE,
    Symbol.REMOVE: Ink.REMOVE,
    Symbol.COMMAND: Ink.COMMAND,
    Symbol.DRIFT: Ink.DRIFT,
    Symbol.FORGET: Ink.QUIET,
    Symbol.BLOCKED: Ink.BLOCKED,
    Symbol.UNKNOWN: Ink.QUIET,
    Symbol.GOOD: Ink.GOOD,
    Symbol.BAD: Ink.BAD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What a stream can show."""

    color: bool = False
    unicode: bool = True

    def paint(self, text: str, ink: Ink) -> str:
        """Colour text where colours are shown."""
        return f"\x1b[{ink}m{text}\x1b[0m" if self.color and text else text

    def plain(self, symbol: Symbol) -> str:
        """Give a symbol, or its ASCII twin, without colour."""
        return str(symbol) if self.unicode else _ASCII.get(symbol, str(symbol))

    def mark(self, symbol: Symbol) -> str:
        """Give a symbol, or its ASCII twin, in its colour."""
        text = self.plain(symbol)
        return self.paint(text, _INKS[symbol]) if symbol in _INKS else text


PLAIN: Final = Style()
"""No colours: documents and tests."""
