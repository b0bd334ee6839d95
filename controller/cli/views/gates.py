"""The gates of a pair for people: in order, the first that says no, and how to clear it."""

from collections.abc import Sequence

from controller.cli.views.style import Style, Symbol
from controller.cli.views.words import line
from controller.planning.gates import GateResult, first_no


def gates_text(target: str, server: str, results: Sequence[GateResult], style: Style) -> str:
    """Show every gate, then the verdict."""
    lines = [f"{line(target)} on {line(server)}"]
    lines += [_line(result, style) for result in results]
    blocker = first_no(results)
    if blocker is None:
        lines.append("Nothing holds it back.")
    else:
        lines.append(f"Held back by {blocker.gate}: {line(blocker.message)}")
        if blocker.clear:
            lines.append(f"Clear it with: {line(blocker.clear)}")
    return "\n".join(lines)


def _line(result: GateResult, style: Style) -> str:
    mark = style.mark(Symbol.GOOD if result.passed else Symbol.BAD)
    return f"  {mark} {result.gate}: {line(result.message)}"
