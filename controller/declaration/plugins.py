"""Plugins: executables that a step names by `uses`, from the config repository or out of ctl itself; called by `tasks` and `steps`.

A plugin is plain text with an interpreter in its first line. That of the repository comes first, so that people can have
their own in place of ours. `docs/plugins.md` says what a plugin gets and gives.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from controller.declaration.suggest import among
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Place
from controller.model.tree import Tree
from controller.model.work import OFFERED

FOLDER: Final = "plugins"
OURS: Final = "/"
"""Before the name of a plugin that comes with ctl: no path of a repository begins so."""
EXECUTABLE: Final = 0o111


@cache
def shipped() -> Mapping[str, bytes]:
    """Give the plugins that come with ctl, by name."""
    folder = files("controller.declaration") / "shipped"
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


def plugin_of(tree: Tree, uses: str) -> str | None:
    """Say under which key the bytes of a plugin are kept: its path, or its name among ours; None where there is none."""
    if uses.startswith(OFFERED):
        return None
    path = f"{FOLDER}/{uses}"
    if path in tree.entries:
        return path
    if path in tree.refused or uses not in shipped():
        return None  # what was left out is told of: taking ours instead would be a surprise
    return OURS + uses


def read_ours(keys: Iterable[str]) -> dict[str, bytes]:
    """Give the bytes of those keys that stand for plugins of ours."""
    return {key: shipped()[key.removeprefix(OURS)] for key in keys if key.startswith(OURS)}


def check_plugin(
    wishes: Wishes, uses: str, place: Place, scripts: Mapping[str, bytes]
) -> str | None:
    """Find fault with a plugin that a step names; give its key.

    Args:
        wishes: takes the findings.
        uses: what the step says.
        place: where it says so.
        scripts: the bytes that were read, by key.
    """
    if uses.startswith(OFFERED):
        return None
    key = plugin_of(wishes.tree, uses)
    if key is None:
        _missing(wishes, uses, place)
        return None
    if key.startswith(OURS):
        return key
    said = _fault(wishes.tree.entries[key].mode, scripts.get(key, b""))
    if said is not None:
        code, why, hint = said
        wishes.findings.error(code, f"cannot use {key}: {why}", place, hint.format(key=key))
    return key


def _missing(wishes: Wishes, uses: str, place: Place) -> None:
    path = f"{FOLDER}/{uses}"
    left_out = wishes.tree.refused.get(path)
    if left_out is not None:
        wishes.findings.error(
            "refused-file",
            f"cannot use {path}: {left_out}",
            place,
            "put a regular file in its place",
        )
        return
    there = [one.rpartition("/")[2] for one in wishes.tree.entries if _is_plugin(one)]
    wishes.findings.error(
        "unknown-plugin",
        f"cannot find the plugin {uses}: there is no {path}, and none of that name comes with ctl",
        place,
        among(uses, [*there, *shipped()], what="plugin"),
    )


def _is_plugin(path: str) -> bool:
    return path.startswith(f"{FOLDER}/") and path.count("/") == 1


def _fault(mode: int, data: bytes) -> tuple[str, str, str] | None:
    """Say what is wrong with a plugin of the repository: a code, why, and what to do."""
    if not mode & EXECUTABLE:
        return "not-executable", "it is not executable", "git update-index --chmod=+x {key}"
    try:
        plain = "\0" not in data.decode()
    except UnicodeDecodeError:
        plain = False
    if not plain:
        hint = "plugins are scripts; let one start the program"
        return "not-text", "it is not plain UTF-8 text", hint
    if not data.startswith(b"#!") or not data.split(b"\n", 1)[0][2:].strip():
        hint = "begin it with #!/bin/sh, or with another interpreter"
        return "no-interpreter", "its first line names no interpreter", hint
    return None
