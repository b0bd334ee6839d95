"""What may come next on a command line: verbs, flags, and names read quickly from the declarations.

Called by the completion scripts through `ctl completion words`. Names are found by their indentation, not by a
parser: it has to be over before a person notices.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from typer.main import get_command

from controller.cli.app import build
from controller.cli.remembered import recent_jobs, steps_of
from controller.cli.verbs import VERBS
from controller.cli.views.words import line

MOST_FILES: Final = 400
MOST_BYTES: Final = 2_000_000
"""Both keep the reading of names below 150 ms."""
FOLDERS: Final = ("inventory", "pipelines")

_KIND: Final = re.compile(r"^(repos|servers|groups|inventories|tasks|targets):[ \t]*$")
_NAME: Final = re.compile(r"^  ([A-Za-z0-9_][A-Za-z0-9._:\[\]-]*):")

POSITIONS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("why",): ("targets", "servers"),
    ("run",): ("tasks",),
    ("drift", "show"): ("targets",),
    ("drift", "adopt"): ("targets", "servers"),
    ("drift", "ignore"): ("targets", "servers"),
    ("suspend",): ("targets",),
    ("resume",): ("targets",),
    ("approve",): ("targets",),
    ("rollback",): ("targets",),
    ("history",): ("targets",),
    ("check", "server"): ("servers",),
    ("check", "repo"): ("repos",),
    ("get", "servers"): ("servers",),
    ("get", "groups"): ("groups",),
    ("get", "inventories"): ("inventories",),
    ("get", "repos"): ("repos",),
    ("get", "tasks"): ("tasks",),
    ("get", "targets"): ("targets",),
    ("trust",): ("servers",),
    **{
        ("jobs", verb): ("jobs",)
        for verb in ("show", "logs", "retry", "resolve", "attach", "pause", "resume", "artifacts")
    },
    ("jobs", "stop"): ("jobs",),
    ("jobs", "archive"): ("jobs",),
    **{("jobs", "workspace", verb): ("jobs",) for verb in ("ls", "get", "put", "rm")},
}
"""Which kinds of names follow these words, by position; the last counts for all that follow."""
AFTER_FLAG: Final = {
    "--target": ("targets",),
    "-l": ("servers", "groups"),
    "--limit": ("servers", "groups"),
    "--on": ("servers", "groups"),
    "--host": ("servers",),
    "--server": ("servers",),
    "--step": ("steps",),
}
WORDS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("get",): (
        "servers",
        "groups",
        "inventories",
        "repos",
        "tasks",
        "targets",
        "secrets",
        "notifiers",
        "access",
    ),
    ("explain",): ("repo", "server", "group", "inventory", "task", "target", "secret", "settings"),
    ("schema",): ("repo", "server", "group", "inventory", "task", "target", "secret", "settings"),
    ("completion",): ("bash", "zsh", "fish"),
    ("help",): (*VERBS, "exit-codes"),
    ("jobs", "workspace"): ("ls", "get", "put", "rm"),
}


def candidates(typed: Sequence[str], directory: Path) -> list[str]:
    """Say what may stand where the last of the words is being typed."""
    *before, current = typed or [""]
    words = [word for word in before if not word.startswith("-")]
    if current.startswith("-"):
        found = _flags(words)
    elif before and before[-1] in AFTER_FLAG:
        found = _names(AFTER_FLAG[before[-1]], directory, words)
    else:
        found = _words(words, directory)
    return sorted({word for word in found if word.startswith(current)})


def _words(words: Sequence[str], directory: Path) -> Iterator[str]:
    if not words:
        yield from VERBS
        return
    verb = VERBS.get(words[0])
    if verb is not None and len(words) == 1:
        yield from verb.group
    yield from WORDS.get(tuple(words), ())
    for length in (3, 2, 1):
        kinds = POSITIONS.get(tuple(words[:length]))
        if kinds is not None and len(words) >= length:
            place = min(len(words) - length, len(kinds) - 1)
            yield from _names((kinds[place],), directory, words)
            return


def _flags(words: Sequence[str]) -> Iterator[str]:
    verb = words[0] if words and words[0] in VERBS else None
    node: object = get_command(build([] if verb is None else [verb]))
    for word in words[:2]:
        node = getattr(node, "commands", {}).get(word, node)
    for parameter in getattr(node, "params", ()):
        if not getattr(parameter, "hidden", False):
            options = (*parameter.opts, *getattr(parameter, "secondary_opts", ()))
            yield from (option for option in options if option.startswith("-"))
    yield "--help"


def _names(kinds: Sequence[str], directory: Path, words: Sequence[str]) -> Iterator[str]:
    root = _root(directory)
    if root is None:
        return
    if "jobs" in kinds:
        yield from recent_jobs(root)
    elif "steps" in kinds:
        yield from steps_of(root, words)
    else:
        yield from _declared(kinds, root)


def _declared(kinds: Sequence[str], root: Path) -> Iterator[str]:
    budget = MOST_BYTES
    for path in _files(root):
        try:
            with path.open("rb") as file:
                text = file.read(budget).decode("utf-8", "replace")
        except OSError:
            continue  # completion has no voice to complain with
        budget -= len(text)
        yield from _names_in(text, kinds)
        if budget <= 0:
            return


def _root(directory: Path) -> Path | None:
    """Find the config repository."""
    # `source.config.find` would do, but loading git's library alone takes the time there is.
    folders = (directory.absolute(), *directory.absolute().parents)
    return next((folder for folder in folders if (folder / "ctl.yaml").is_file()), None)


def _files(root: Path) -> Iterator[Path]:
    found = chain.from_iterable((root / folder).rglob("*.y*ml") for folder in FOLDERS)
    for path in islice(found, MOST_FILES):
        if path.is_file() and not path.is_symlink():
            yield path


def _names_in(text: str, kinds: Sequence[str]) -> Iterator[str]:
    kind = None
    for row in text.splitlines():
        if head := _KIND.match(row):
            kind = head[1]
        elif row[:1] not in {"", " ", "#"}:
            kind = None
        elif kind in kinds and (name := _NAME.match(row)):
            yield line(name[1])
