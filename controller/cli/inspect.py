"""`ctl inspect`: one script that a server offers."""

from typing import Annotated

import typer

from controller.cli.agents import Addr, On, PkiFolder, one_way
from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.scripts import source_text
from controller.reconcile.offered import source_document

app = typer.Typer()


@command(app, "inspect", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def inspect(
    ctl: Invocation,
    *,
    task: Annotated[str, typer.Argument(metavar="TASK", help="A script the server offers.")],
    on: On = None,
    addr: Addr = None,
    pki: PkiFolder = None,
) -> int:
    """Show the headers, the SHA-256 and the text of a script that a server offers."""
    address = one_way(on, addr)
    async with ctl.open(bare=address is not None, pki=pki) as controller:
        found = await controller.inspect(task, on=on, address=address)
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(source_document(found)))
        case Format.YAML:
            ctl.print(to_yaml(source_document(found)))
        case _:
            ctl.print(source_text(found, ctl.terminal.style))
    return ExitCode.DONE
