"""Which files of the tree say what; called by `loader`. Pure.

Declarations lie under `inventory/` and `pipelines/`, settings in `ctl.yaml`, variables in `group_vars/` and
`host_vars/` at the root or in `inventory/`. What an entry of `inventories:` names is read by Ansible's rules instead.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from controller.model.tree import Entry

SETTINGS: Final = "ctl.yaml"
ROOTS: Final = ("inventory/", "pipelines/")
VARIABLE_FOLDERS: Final = ("group_vars", "host_vars")
SUFFIXES: Final = (".yaml", ".yml")


def declarations(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """List every file that holds declarations, unless an inventory takes it out."""
    return tuple(
        path
        for path in entries
        if path.startswith(ROOTS)
        and path.endswith(SUFFIXES)
        and not ("_vars/" in path and any(part in VARIABLE_FOLDERS for part in path.split("/")))
    )


def may_declare(path: str) -> bool:
    """Tell whether a path that could not be read may have held declarations or variables: a file of them, or a folder."""
    name = path.rpartition("/")[2]
    if path == SETTINGS or f"{path}/" in ROOTS or path.partition("/")[0] in VARIABLE_FOLDERS:
        return True
    return path.startswith(ROOTS) and (name.endswith(SUFFIXES) or "." not in name)


def taken_out(inventory: str) -> str:
    """Give the folder (with a slash at its end) or the file that a path under `inventories:` takes out."""
    root, _, rest = inventory.strip("/").partition("/")
    first, deeper, _ = rest.partition("/")
    return f"{root}/{first}/" if deeper else f"{root}/{first}".rstrip("/")


def is_taken(path: str, taken: Iterable[str]) -> bool:
    """Tell whether a file belongs to an inventory of another tool."""
    return any(
        path == item or path.startswith(item if item.endswith("/") else f"{item}/")
        for item in taken
    )


def variables(entries: Mapping[str, Entry], folder: str) -> tuple[tuple[str, str], ...]:
    """List (name, path) of the files of `group_vars` or `host_vars` in the order in which they hold.

    Later ones win: those at the root over those in `inventory/`; inside a folder of one name, by path.
    """
    found: list[tuple[str, str]] = []
    for base in (f"inventory/{folder}/", f"{folder}/"):
        for path in sorted(entries):
            if path.startswith(base):
                name = _named(path.removeprefix(base))
                if name is not None:
                    found.append((name, path))
    return tuple(found)


def _named(path: str) -> str | None:
    """Give the group or server that a file below `group_vars/` or `host_vars/` speaks of."""
    first, slash, rest = path.partition("/")
    last = rest or first
    if any(part.startswith(".") for part in path.split("/")) or last.endswith("~"):
        return None
    plain = "." not in last if slash else True
    if not (last.endswith((*SUFFIXES, ".json")) or plain):
        return None
    if slash:
        return first
    for suffix in (*SUFFIXES, ".json"):
        first = first.removesuffix(suffix)
    return first
