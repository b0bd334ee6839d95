"""Diagnostics for people: place, code, message, the line itself with a caret, and the hint."""

from collections.abc import Mapping, Sequence
from typing import Final

from controller.cli.views.style import Ink, Style
from controller.cli.views.words import count, line
from controller.model.diagnostic import Diagnostic, Severity

MOST: Final = 200
"""So many are shown; the rest is counted."""
_WIDEST: Final = 120
"""A longer line is shown around the place only."""


def diagnostics_text(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, bytes], style: Style
) -> str:
    """Show findings in order of place, one block each."""
    shown = [_block(d, sources, style) for d in diagnostics[:MOST]]
    if len(diagnostics) > MOST:
        shown.append(f"and {len(diagnostics) - MOST} more; -o json gives all")
    return "\n\n".join(shown)


def summary_text(diagnostics: Sequence[Diagnostic], files: int) -> str:
    """Say in one line how a validation went."""
    errors = sum(d.severity is Severity.ERROR for d in diagnostics)
    warnings = len(diagnostics) - errors
    found = [count(errors, "error")] if errors else []
    found += [count(warnings, "warning")] if warnings else []
    return f"{' and '.join(found) or 'Valid: nothing to complain about'} in {count(files, 'file')}."


def _block(diagnostic: Diagnostic, sources: Mapping[str, bytes], style: Style) -> str:
    place = diagnostic.place
    wrong = diagnostic.severity is Severity.ERROR
    head = style.paint(diagnostic.severity.value, Ink.BAD if wrong else Ink.CHANGE)
    lines = [f"{head}[{line(diagnostic.code)}]: {line(diagnostic.message)}"]
    if place.file:
        lines.append(f"  at {line(place.file)}:{place.line}:{place.column}")
        lines += _frame(sources.get(place.file, b""), place.line, place.column, style)
    if diagnostic.hint:
        lines.append(f"  hint: {line(diagnostic.hint)}")
    return "\n".join(lines)


def _frame(source: bytes, number: int, column: int, style: Style) -> list[str]:
    """Show the line of a finding with a caret below it; nothing where there is no such line."""
    rows = source.split(b"\n", number)
    if not source or len(rows) < number:
        return []
    text = rows[number - 1].decode("utf-8", "replace").rstrip("\r")
    first = max(0, column - 1 - _WIDEST // 2)
    before = line(text[first : column - 1])
    shown = before + line(text[column - 1 : first + _WIDEST])
    gutter = f"{number:>5} | "
    caret = style.paint("^", Ink.BAD)
    return [f"{gutter}{shown}", f"{' ' * (len(gutter) - 2)}| {' ' * len(before)}{caret}"]
