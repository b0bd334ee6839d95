"""What every verb that works with an authority says and prints alike.

Used by `pki`, `inviting` and `agent`.
"""

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.pki import View

FORMATS: Final = (Format.TABLE, Format.JSON, Format.YAML)
FOLDER: Final = Path("/etc/ctl/pki")

Dir = Annotated[
    Path, typer.Option("--dir", metavar="DIR", help="The authority's folder; default /etc/ctl/pki.")
]
Days = Annotated[int | None, typer.Option("--days", metavar="N", help="How long it lives.")]


def folder_of(ctl: Invocation, place: Path) -> Path:
    """Give the folder of the authority that is meant."""
    return ctl.surroundings.cwd / place.expanduser()


def flag(place: Path) -> str:
    """Say `--dir` again in a next command, where it was said."""
    return "" if place == FOLDER else f" --dir {shlex.quote(str(place))}"


def actor(ctl: Invocation) -> str:
    """Say who does it."""
    return ctl.settings.person.actor


def print_view(ctl: Invocation, view: View) -> None:
    """Print a view as the person or program asked."""
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(view.document()))
        case Format.YAML:
            ctl.print(to_yaml(view.document()))
        case _:
            ctl.print(view.text(ctl.terminal.style, wide=ctl.format is Format.WIDE))
