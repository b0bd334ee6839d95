"""`ctl inventory --list|--host NAME`: what Ansible reads from an executable inventory."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json
from controller.errors import UsageError

app = typer.Typer()


@command(app, "inventory", formats=(Format.TABLE, Format.JSON))
def inventory(
    ctl: Invocation,
    *,
    list_: Annotated[bool, typer.Option("--list", help="All servers and groups.")] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="One server's variables.")
    ] = "",
) -> int:
    """Print the inventory as JSON, so that Ansible can use this repository as its inventory."""
    if list_ == bool(host):
        raise UsageError("say --list or --host NAME", hint="ctl inventory --list")
    from controller.cli.reading import declared
    from controller.declaration.ansible import listing

    servers = declared(ctl).inventory
    ctl.print(to_json(listing.listing(servers) if list_ else listing.host(servers, host)))
    return ExitCode.DONE
