"""`ctl version`."""

import platform

import typer

from controller import __version__
from controller.cli.context import Format, Invocation
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.reconcile.documents import FORMAT_VERSION

app = typer.Typer()


@command(app, "version", formats=(Format.TABLE, Format.JSON, Format.YAML))
def version(ctl: Invocation) -> int:
    """Print the version of ctl, of Python and of the document format."""
    document = {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    if ctl.format is Format.JSON:
        ctl.print(to_json(document))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(document))
    else:
        ctl.print(f"ctl {__version__}")
        ctl.print(f"Python {document['python']} on {document['platform']}")
    return 0
