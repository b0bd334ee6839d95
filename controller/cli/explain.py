"""`ctl explain KIND[.KEY]` : what a kind or a key means."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json
from controller.cli.views.explanation import explanation_text

app = typer.Typer()


@command(app, "explain", formats=(Format.TABLE, Format.JSON))
def explain(
    ctl: Invocation,
    path: Annotated[str, typer.Argument(metavar="KIND[.KEY]", help="Such as task.steps.retries.")],
) -> int:
    """Explain a kind of declaration, or one of its keys: type, default, examples, keys below."""
    from controller.declaration.schema import KINDS, describe

    kind, _, key = path.partition(".")
    description = describe(KINDS.get(kind, kind), key)
    if ctl.format is Format.JSON:
        ctl.print(to_json(description))
    else:
        ctl.print(explanation_text(description, ctl.terminal.style))
    return ExitCode.DONE
