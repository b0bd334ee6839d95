"""`ctl why`: the gates of a pair."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.gates import gates_text
from controller.reconcile.documents import gates_document

app = typer.Typer()


@command(app, "why", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def why(
    ctl: Invocation,
    *,
    target: Annotated[str, typer.Argument(help="A target.")],
    server: Annotated[str, typer.Argument(help="One of its servers.")],
) -> int:
    """Ask every gate of a target on a server, in order; show the first that says no and how to clear it."""
    async with ctl.open() as controller:
        results = await controller.why(target, server)
    if ctl.format is Format.JSON:
        ctl.print(to_json(gates_document(target, server, results)))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(gates_document(target, server, results)))
    else:
        ctl.print(gates_text(target, server, results, ctl.terminal.style))
    return 0
