"""`ctl import ansible|ssh-config PATH`: what people have, as declarations to commit."""

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.init import write_files
from controller.cli.options import command
from controller.cli.views.diagnostics import diagnostics_text
from controller.cli.views.documents import to_json
from controller.cli.views.words import line, rows
from controller.declaration.imported import Imported
from controller.errors import NotFoundError
from controller.model.diagnostic import Severity
from controller.planning.document import diagnostic_document
from controller.reconcile.documents import FORMAT_VERSION

app = typer.Typer()

FORMATS: Final = (Format.TABLE, Format.JSON)
MOST_BYTES: Final = 1 << 20

Source = Annotated[Path, typer.Argument(metavar="PATH", help="What to read.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write below this folder instead of to stdout."),
]


@command(app, "ansible", verb="import ansible", formats=FORMATS)
def ansible(ctl: Invocation, *, path: Source, out: Out = None) -> int:
    """Turn an Ansible inventory, a file or a folder, into servers and groups that resolve to the same.

    Nothing in it is evaluated; what is not translated stays as a comment.
    """
    from controller.declaration.importing import import_ansible
    from controller.source.worktree import read_folder

    place = (ctl.surroundings.cwd / path.expanduser()).resolve()
    if not place.exists():
        raise NotFoundError(f"cannot read {path}: there is no such file or folder")
    tree = read_folder(place.parent, (place.name, "group_vars", "host_vars"))
    return _tell(ctl, path, import_ansible(tree, place.name), out)


@command(app, "ssh-config", verb="import ssh-config", formats=FORMATS)
def ssh_config(ctl: Invocation, *, path: Source, out: Out = None) -> int:
    """Turn an ssh config into servers; what is not translated stays as a comment."""
    from controller.declaration.import_ssh import import_ssh_config

    text = _read(ctl.surroundings.cwd / path.expanduser())
    return _tell(ctl, path, import_ssh_config(text, path.name), out)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # One byte more than is taken, so that the room can refuse what is too long.
            return file.read(MOST_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error


def _tell(ctl: Invocation, path: Path, imported: Imported, out: Path | None) -> int:
    wrong = any(d.severity is Severity.ERROR for d in imported.diagnostics)
    if imported.diagnostics and ctl.format is Format.TABLE:
        ctl.terminal.note(diagnostics_text(imported.diagnostics, {}, ctl.terminal.err_style))
    if out is not None and not wrong:
        write_files(ctl.surroundings.cwd / out, imported.files)
    if ctl.format is Format.JSON:
        ctl.print(
            to_json(
                {
                    "format_version": FORMAT_VERSION,
                    "files": dict(imported.files),
                    "diagnostics": [diagnostic_document(d) for d in imported.diagnostics],
                }
            )
        )
    elif out is not None:
        ctl.print("\n".join(line(str(out / name)) for name in imported.files))
    else:
        for name, text in imported.files.items():
            ctl.print("\n".join([f"# {line(name)}", *rows(text)]))
    if not wrong:
        again = f"ctl {ctl.verb} {shlex.quote(str(path))} --out ."
        ctl.next("ctl validate" if out else again)
    return ExitCode.ERROR if wrong else ExitCode.DONE
