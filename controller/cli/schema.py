"""`ctl schema [KIND]`: the JSON Schemas, for editors."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command

app = typer.Typer()


@command(app, "schema", formats=(Format.TABLE, Format.JSON))
def schema(
    ctl: Invocation,
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="Such as task; default: a file.")
    ] = "",
) -> int:
    """Print the JSON Schema (draft 2020-12) of a declarations file, or of one kind.

    In a file: # yaml-language-server: $schema=PATH
    """
    from controller.declaration.schema import KINDS, document

    ctl.print(document(KINDS.get(kind, kind) or None))
    return ExitCode.DONE
