"""How errors are told: text or JSON on stderr, and the exit code of the one table.

Called by `app.run`. Never a traceback without `--debug`.
"""

import json
import traceback

from controller.cli.exitcodes import of_error
from controller.cli.views.diagnostics import diagnostics_text
from controller.cli.views.style import Ink, Style
from controller.cli.views.words import line, rows
from controller.errors import ControllerError, TransportError
from controller.planning.document import diagnostic_document
from controller.reconcile.exchange.checks import InvalidDeclarationError


class QuestionError(ControllerError):
    """A question would have to be asked where nobody can answer."""

    reference = "no-input"


def tell(error: ControllerError, style: Style) -> str:
    """Say an error to people."""
    lines = [f"{style.paint('error', Ink.BAD)}: {line(error.message)}"]
    if isinstance(error, InvalidDeclarationError):
        lines.insert(0, diagnostics_text(error.diagnostics, error.sources, style))
    if isinstance(error, TransportError):
        lines.append(f"cause: {error.cause}")
    if error.hint:
        lines.append(f"hint: {line(error.hint)}")
    return "\n".join(lines)


def document(error: ControllerError) -> str:
    """Say an error to a program, as one line of JSON."""
    body: dict[str, object] = {
        "reference": error.reference,
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(of_error(error)),
    }
    if isinstance(error, TransportError):
        body["cause"] = error.cause
    if isinstance(error, InvalidDeclarationError):
        body["diagnostics"] = [diagnostic_document(one) for one in error.diagnostics]
    return json.dumps({"format_version": "1.0", "error": body})


def tell_bug(error: BaseException, style: Style, *, debug: bool) -> str:
    """Say that something happened that should never happen."""
    if debug:
        return "\n".join(rows("".join(traceback.format_exception(error))))
    kind = type(error).__name__
    return (
        f"{style.paint('error', Ink.BAD)}: something unforeseen happened: "
        f"{kind}: {line(str(error))}\n"
        "hint: run it again with --debug and report what it prints"
    )
