"""The one function through which untrusted text reaches people.

Pure. Called by every face, by the journal's printer and by notifications, for whatever a server, a commit or a declaration says.
It cannot forge a line, move a cursor, hide or turn round other text, or grow without a bound.
"""

import re
import unicodedata
from typing import Final

LINE: Final = 4000
"""Characters of one line that are shown."""
TEXT: Final = 1_000_000
"""Characters that are looked at in one go."""

_PLAIN: Final = re.compile(r"[\x20-\x7e]*")
_SGR: Final = re.compile(r"\x1b\[([0-9;]{0,32})m")
_COLOURS: Final = frozenset({0, 1, 2, 3, 4, 22, 23, 24, 39, 49, *range(30, 38), *range(90, 98)})
"""What output may do to its own look: weight, slant, underline, foreground colours, and their ends (ECMA-48, 8.3.117).

Not allowed: concealed, reversed and blinking text, and backgrounds, with which text can be hidden.
"""
_RESET: Final = "\x1b[0m"

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are never shown as they are: control, format (bidi and zero-width among them), surrogates, private
use, unassigned, line and paragraph separators."""
_BLANK: Final = frozenset({
    "\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u2800", "\u3164", "\uffa0",
    *map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0)),
})  # fmt: skip
"""Letters and marks that look like nothing: joiners, fillers, the blank Braille pattern, variation selectors."""
_MARKS: Final = 4
"""Combining marks on one letter that are shown; more of them climb over other lines."""


def safe_text(
    value: str | bytes, *, lines: bool = False, colours: bool = False, width: int = LINE
) -> str:
    r"""Show text from outside so that it is only text.

    Args:
        value: the text; bytes that are not UTF-8 are shown as `\xNN`.
        lines: keep line feeds (and tabs) instead of escaping them. Carriage returns before a line feed go.
        colours: keep colours from the allow-list; each line then ends without any.
        width: characters of a line to show; the rest becomes "… (N more)".
    """
    cut = value[:TEXT]
    text = cut.decode("utf-8", "backslashreplace") if isinstance(cut, bytes) else cut
    more = len(value) - len(cut)
    parts = text.replace("\r\n", "\n").split("\n") if lines else [text]
    shown = "\n".join(_line(part, tabs=lines, colours=colours, width=width) for part in parts)
    return f"{shown}… ({more} more)" if more else shown


def _line(line: str, *, tabs: bool, colours: bool, width: int) -> str:
    """Show one line."""
    if len(line) <= width and _PLAIN.fullmatch(line):
        return line
    more = len(line) - width
    escaped = _coloured(line[:width], tabs=tabs) if colours else _escaped(line[:width], tabs=tabs)
    return f"{escaped}… ({more} more)" if more > 0 else escaped


def _coloured(line: str, *, tabs: bool) -> str:
    """Escape what stands between colours that are allowed, and end with none."""
    shown: list[str] = []
    end = 0
    for found in _SGR.finditer(line):
        shown.append(_escaped(line[end : found.start()], tabs=tabs))
        allowed = all(int(code or 0) in _COLOURS for code in found[1].split(";"))
        shown.append(found[0] if allowed else _escaped(found[0], tabs=tabs))
        end = found.end()
    shown.append(_escaped(line[end:], tabs=tabs))
    text = "".join(shown)
    return text + _RESET if "\x1b" in text and not text.endswith(_RESET) else text


def _escaped(text: str, *, tabs: bool) -> str:
    """Escape each character that is not simply seen."""
    if _PLAIN.fullmatch(text):
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        mark = unicodedata.combining(char) != 0 or unicodedata.category(char) in {"Mn", "Me"}
        marks = marks + 1 if mark else 0
        keep = (tabs and char == "\t") or (_is_seen(char) and marks <= _MARKS)
        shown.append(char if keep else _escape(char))
    return "".join(shown)


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in _HIDDEN and char not in _BLANK


def _escape(char: str) -> str:
    """Write a character as Python would; a backslash of the text itself stays as it is."""
    code = ord(char)
    if char in "\t\n\r":
        return {"\t": r"\t", "\n": r"\n", "\r": r"\r"}[char]
    if code <= 0xFF:  # noqa: PLR2004  # the last code that two hex digits can write
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
