"""One change, or several that read the same: symbol, target, servers, why, commands.

Called by the views of a plan.
"""

from collections.abc import Iterator
from typing import Final

from controller.cli.views.style import Ink, Style, Symbol
from controller.cli.views.words import count, line, rows, short
from controller.model.plan import Action, Cause, Change, FileChange
from controller.planning.folding import Fold

SYMBOLS: Final = {
    Action.ADD: Symbol.ADD,
    Action.CHANGE: Symbol.CHANGE,
    Action.REMOVE: Symbol.REMOVE,
    Action.FORGET: Symbol.FORGET,
    Action.RUN: Symbol.COMMAND,
    Action.REPAIR: Symbol.DRIFT,
    Action.NONE: Symbol.IN_SYNC,
}
MOST_DIFF_LINES: Final = 60
"""A diff of more lines is cut; `--full` and `-o json` have all."""
MOST_LINES: Final = 20
"""A command of more lines is cut in the middle of a plan; `-o json` has all."""


def symbol_of(change: Change) -> Symbol:
    """Choose what stands before a change."""
    if change.unknown:
        return Symbol.UNKNOWN
    if change.blocked_by is not None:
        return Symbol.BLOCKED
    if change.drift is not None and change.action in {Action.NONE, Action.REPAIR}:
        return Symbol.DRIFT
    return SYMBOLS[change.action]


def alone(change: Change) -> Fold:
    """Wrap one change that is not folded with others."""
    return Fold(first=change, changes=(change,), names=change.server)


def servers_text(folded: Fold) -> str:
    """Name the servers: `on web-1`, `on 14 servers: web-[01:14]`."""
    if len(folded.changes) == 1:
        return f"on {line(folded.first.server)}"
    return f"on {count(len(folded.changes), 'server')}: {line(folded.names)}"


def cause_text(cause: Cause) -> str:
    """Say where a change comes from: file:line, commit, author."""
    parts = []
    if cause.file:
        parts.append(f"{line(cause.file)}:{cause.line}" if cause.line else line(cause.file))
    if cause.commit:
        parts.append(short(cause.commit))
    if cause.author:
        parts.append(f"by {line(cause.author)}")
    return " ".join(parts)


def because(change: Change) -> str:
    """Say why a change is there, with its place, commit and author."""
    cause = cause_text(change.cause)
    reason = line(change.reason)
    if reason and cause:
        return f"{reason}, {cause}"
    return reason or cause


def change_lines(folded: Fold, style: Style) -> Iterator[str]:
    """Show changes that differ in their server only."""
    first = folded.first
    task = f" ({line(first.task)})" if first.task and first.task != first.target else ""
    head = f"{line(first.target)}{task} {servers_text(folded)}"
    yield f"  {style.mark(symbol_of(first))} {head}"
    for text in _details(first, style):
        yield f"      {text}"


def _details(change: Change, style: Style) -> Iterator[str]:
    reason = because(change)
    if reason:
        yield f"because {reason}"
    if change.drift is not None:
        yield f"differs: {line(change.drift)}"
    if change.blocked_by is not None:
        clear = (
            f"; clear it with: {line(change.blocked_by.clear)}" if change.blocked_by.clear else ""
        )
        yield f"{change.blocked_by.gate}: {line(change.blocked_by.message)}{clear}"
    elif change.action is Action.REPAIR:
        yield "will be repaired"
    yield from _work(change, style)
    for note in change.notes:
        yield style.paint(f"note: {line(note)}", Ink.QUIET)


def _work(change: Change, style: Style) -> Iterator[str]:
    for file in change.files:
        yield from file_lines(file, style)
    if change.runs:
        for command in change.commands:
            yield from _command(command, style)


def file_lines(file: FileChange, style: Style, *, most: int = MOST_DIFF_LINES) -> Iterator[str]:
    """Show a delivered file that is not as wanted, and how its text differs."""
    mark = style.mark(Symbol.DRIFT if file.drift else Symbol.CHANGE)
    yield f"{mark} {line(file.path)}: {line(file.what)}"
    shown = rows(file.diff) if file.diff else []
    for row in shown[:most]:
        yield f"    {style.paint(row, _DIFF_INKS.get(row[:1], Ink.QUIET))}"
    if len(shown) > most:
        yield f"    {style.plain(Symbol.MORE)} {len(shown) - most} more lines"


_DIFF_INKS: Final = {"+": Ink.GOOD, "-": Ink.BAD}


def _command(command: str, style: Style) -> Iterator[str]:
    first, *rest = rows(command)
    yield f"{style.mark(Symbol.COMMAND)} {first}"
    for row in rest[:MOST_LINES]:
        yield f"  {row}"
    if len(rest) > MOST_LINES:
        yield f"  {style.plain(Symbol.MORE)} {len(rest) - MOST_LINES} more lines"
