"""Scripts that servers offer, and the source of one."""

from collections.abc import Sequence

from controller.cli.views.style import Ink, Style
from controller.cli.views.tables import table
from controller.cli.views.words import line, rows, size
from controller.reconcile.exchange.answers import ServerOffers
from controller.reconcile.offered import script_document
from controller.transport.port import ScriptSource

SHORT = 12
"""Hex digits of a SHA-256 in a table."""


def offers_table(found: Sequence[ServerOffers], style: Style) -> str:
    """List scripts by server; one that cannot be run says why in place of its title."""
    cells = [
        (
            line(one.server),
            line(each.name),
            f"cannot be run: it {line(each.problem)}" if each.problem else line(each.title),
            each.result.type.value,
            each.sha256[:SHORT] or "-",
        )
        for one in found
        for each in one.scripts
    ]
    return table(("SERVER", "TASK", "TITLE", "RESULT", "SHA256"), cells, style)


def offers_documents(found: Sequence[ServerOffers]) -> list[dict[str, object]]:
    """Write scripts as documents, one for each script of each server."""
    return [
        {"server": one.server, **script_document(each)} for one in found for each in one.scripts
    ]


def source_text(found: ScriptSource, style: Style) -> str:
    """Show a script: what it says of itself, its digest, and its text."""
    script = found.script
    facts = {
        "title": script.title or "-",
        "result": script.result.type.value,
        "file": script.result.path or "",
        "size": size(script.size),
        "sha256": script.sha256 or "-",
        "cannot be run": f"it {script.problem}" if script.problem else "",
    }
    head = [
        f"{style.paint(f'{name}:', Ink.STRONG)} {line(value)}"
        for name, value in facts.items()
        if value
    ]
    others = [
        f"{style.paint(f'{line(name)}:', Ink.STRONG)} {line(value)}"
        for name, value in found.headers.items()
        if name not in {"title", "result-type", "file-name"}
    ]
    return "\n".join(
        [style.paint(line(script.name), Ink.STRONG), *head, *others, "", *rows(found.text)]
    )
