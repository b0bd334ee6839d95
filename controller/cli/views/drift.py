"""Drift for people and programs: what differs, and who may have done it. Called by `ctl drift`; pure."""

from collections.abc import Iterator, Sequence

from controller.cli.dates import moment
from controller.cli.views.change import file_lines
from controller.cli.views.style import Ink, Style, Symbol
from controller.cli.views.words import count, line, rows
from controller.model.evidence import Clue
from controller.model.plan import FileChange
from controller.reconcile.documents import FORMAT_VERSION, plain
from controller.reconcile.exchange.drifts import (
    Adoption,
    DriftedPair,
    DriftedPart,
    DriftReport,
    Ignored,
)

MOST_DIFF_LINES = 200


def drift_text(report: DriftReport, style: Style) -> str:
    """Show drift pair by pair, then what is ignored and what nobody could see."""
    blocks = ["\n".join(_pair(pair, style)) for pair in report.pairs]
    if report.ignored:
        blocks.append("\n".join(_ignored(report, style)))
    if report.unseen:
        head = style.paint("Not looked at", Ink.STRONG)
        gone = [
            f"  {style.mark(Symbol.UNKNOWN)} {line(name)}: {line(why)}"
            for name, why in report.unseen
        ]
        blocks.append("\n".join([head, *gone]))
    if not report.pairs:
        blocks.append("No drift.")
    return "\n\n".join(blocks)


def _pair(pair: DriftedPair, style: Style) -> Iterator[str]:
    yield f"{style.mark(Symbol.DRIFT)} {line(pair.target)} on {line(pair.server)}"
    yield from (f"    {text}" for text in _clues(pair.clues, style))
    for part in pair.parts:
        yield from (f"  {text}" for text in _part(part, style))
    for note in pair.notes:
        yield style.paint(f"  note: {line(note)}", Ink.QUIET)
    for lack in pair.lacks:
        yield style.paint(f"  not asked: {line(lack)}", Ink.QUIET)


def _part(part: DriftedPart, style: Style) -> Iterator[str]:
    if part.path is not None:
        change = FileChange(path=part.path, what=part.what, diff=part.diff, drift=True)
        yield from file_lines(change, style, most=MOST_DIFF_LINES)
    else:
        yield f"{style.mark(Symbol.DRIFT)} {line(part.what)}"
        for row in (rows(part.diff) if part.diff else [])[:MOST_DIFF_LINES]:
            yield f"    {style.paint(row, Ink.QUIET)}"
    yield from (f"  {text}" for text in _clues(part.clues, style))


def _clues(clues: Sequence[Clue], style: Style) -> Iterator[str]:
    for clue in clues:
        yield f"{style.paint(clue.confidence.value, Ink.STRONG)}: {line(clue.said)}"


def _ignored(report: DriftReport, style: Style) -> Iterator[str]:
    yield style.paint("Ignored", Ink.STRONG)
    for one in report.ignored:
        path = "" if one.path is None else f" {line(one.path)}"
        yield (
            f"  {line(one.target)} on {line(one.server)}{path} until {moment(one.until)} "
            f"by {line(one.by)}: {line(one.reason)}"
        )


def drift_document(report: DriftReport) -> dict[str, object]:
    """Give drift as a document."""
    return {
        "format_version": FORMAT_VERSION,
        "pairs": plain(report.pairs),
        "ignored": plain(report.ignored),
        "unseen": [{"server": name, "message": why} for name, why in report.unseen],
    }


def adoption_notes(done: Adoption) -> Iterator[str]:
    """Say what was adopted, what was not and why, and for whom the patch counts besides."""
    if not done.adopted and not done.refused:
        yield "there is no drift of a file to adopt"
    for one in done.refused:
        hint = f" ({line(one.hint)})" if one.hint else ""
        yield f"{line(one.message)}{hint}"
    if done.adopted:
        yield f"adopts {', '.join(map(line, done.adopted))}; read the patch before you commit it"
    if done.also:
        yield f"the patch changes {', '.join(map(line, done.also))} on that server, too"
    if done.others:
        yield f"the patch changes the work of {count(done.others, 'other pair')}, too"


def patch_text(patch: str, *, terminal: bool) -> str:
    """Give a patch byte for byte to a program, and harmless to a terminal."""
    return "\n".join(rows(patch)) if terminal else patch


def ignored_text(done: Ignored) -> str:
    """Say what is ignored, and what that replaced."""
    made, before = done.ignore, done.replaced
    path = "" if made.path is None else f", {line(made.path)},"
    what = f"drift of {line(made.target)} on {line(made.server)}{path}"
    said = [f"{what} is ignored until {moment(made.until)}: {line(made.reason)}"]
    if before is not None:
        said.append(f"replaces what {line(before.by)} said: {line(before.reason)}")
    return "\n".join(said)
