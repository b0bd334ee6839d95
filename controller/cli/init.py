"""`ctl init [DIR]`: a config repository that plans and applies at once on this machine."""

import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.context import Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.scaffold import files
from controller.cli.views.words import line
from controller.errors import RefusedError, StateError

app = typer.Typer()

PATIENCE: Final = 30.0
"""Seconds one git command may take."""


@command(app, "init")
def init(
    ctl: Invocation,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Default: here.")] = Path(),
) -> int:
    """Scaffold a config repository: this machine as a server, a task with a check, a target.

    Overwrites nothing. Makes a git repository unless there is one, and a first commit if git knows who you are.
    """
    from controller.declaration.schema import document

    folder = (ctl.wishes.directory or Path()) / folder
    root = (ctl.surroundings.cwd / folder).absolute()
    texts = {
        **files(root.name),
        "schemas/ctl.schema.json": document("ctl"),
        "schemas/declarations.schema.json": document(None),
    }
    write_files(root, texts)
    for path in texts:
        ctl.print(line(str(folder / path)))
    committed = _commit(root, list(texts))
    place = "" if folder == Path() else f" -C {shlex.quote(str(folder))}"
    ctl.next(f"ctl{place} plan", f"ctl{place} apply" + ("" if committed else " --allow-dirty"))
    return ExitCode.DONE


def write_files(root: Path, texts: Mapping[str, str]) -> None:
    """Write files below a folder; nothing that exists is touched, and all or none is written.

    Raises:
        RefusedError: one of them exists.
        StateError: the disk says no.
    """
    for path in texts:
        if (root / path).exists() or (root / path).is_symlink():
            raise RefusedError(f"{root / path} exists already", hint="nothing was written")
    try:
        for path, text in texts.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("x", encoding="utf-8") as file:
                file.write(text if text.endswith("\n") else text + "\n")
    except OSError as error:
        raise StateError(f"cannot write {root}: {error.strerror or error}") from error


def _commit(root: Path, paths: list[str]) -> bool:
    """Put the files under git and commit them where git knows the author; say whether they are committed."""
    git = shutil.which("git")
    if git is None:
        return False
    # The folder and all its files are new and the person's own, so their own git settings hold here.
    if not _git(git, root, "rev-parse", "--is-inside-work-tree"):
        _git(git, root, "init", "--quiet", "--initial-branch=main")
    elif _run(git, root, "rev-parse", "--show-prefix").stdout.strip():
        return False  # a folder of somebody's repository: what is committed there is theirs to say
    if not (_git(git, root, "config", "user.email") and _git(git, root, "config", "user.name")):
        return False
    message = "Begin the config repository"
    return _git(git, root, "add", "--", *paths) and _git(
        git, root, "commit", "--quiet", "-m", message, "--", *paths
    )


def _git(git: str, root: Path, *arguments: str) -> bool:
    return _run(git, root, *arguments).returncode == 0


def _run(git: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [git, "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StateError(f"cannot run git {arguments[0]}: {error}") from error
