"""Values that templates use: found by path, trimmed to what is used, compared by content.

Called by `pairs` and `rendering`. Nothing a text does not use reaches the renderer, and servers whose used values are
equal share everything.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from controller.model.declaration import Target
from controller.model.digest import canonical
from controller.model.inventory import Server
from controller.model.revision import Revision

Path = tuple[str, ...]


class _Absent:
    """What a path finds where there is nothing; differs from None."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


def server_value(server: Server) -> dict[str, object]:
    """Say what templates see of a server."""
    return {
        "name": server.name,
        "address": server.address,
        "groups": list(server.groups),
        "labels": dict(server.labels),
    }


def commit_value(revision: Revision) -> dict[str, str]:
    """Say what templates see of a commit: nothing its author can put words into, beside the branch's name."""
    return {
        "sha": revision.sha,
        "short_sha": revision.short,
        "branch": revision.branch,
        "date": revision.committed_at.isoformat(),
    }


ANY_COMMIT: Final[Mapping[str, str]] = {
    name: f"<commit.{name}>" for name in ("sha", "short_sha", "branch", "date")
}
"""What `commit` is while inputs are hashed for a target with `paths:`, where the commit itself does not count."""


def constant_values(
    target: Target, revision: Revision | None, commit: Mapping[str, str] | None
) -> dict[str, object]:
    """Gather what is the same on every server of a target; `commit` stands in for the revision's own."""
    values: dict[str, object] = {"target": {"name": target.name}}
    if revision is not None and target.repo is not None:
        values["repo"] = {"name": target.repo, "branch": revision.branch}
        values["commit"] = commit or commit_value(revision)
    return values


def find(value: object, path: Iterable[str]) -> object:
    """Follow a path into a value as far as it goes; where a name may be a method, the value itself counts."""
    for name in path:
        if not isinstance(value, Mapping):
            return value
        if name not in value:
            return value if hasattr(dict, name) else ABSENT
        value = value[name]
    return value


def trimmed(values: Mapping[str, object], paths: Iterable[Path]) -> dict[str, object]:
    """Keep of nested mappings only what the paths reach."""
    kept: dict[str, object] = {}
    for path in sorted(paths, key=len, reverse=True):
        _keep(kept, values, path)
    return kept


def _keep(kept: dict[str, object], values: Mapping[str, object], path: Path) -> None:
    for depth, name in enumerate(path):
        if name not in values:
            return
        value = values[name]
        rest = path[depth + 1 :]
        method = bool(rest) and isinstance(value, Mapping) and _is_method(value, rest[0])
        if not rest or not isinstance(value, Mapping) or method:
            kept[name] = value
            return
        inner = kept.setdefault(name, {})
        if not isinstance(inner, dict) or inner is value:
            return
        kept, values = inner, value


def _is_method(value: Mapping[str, object], name: str) -> bool:
    return name not in value and hasattr(dict, name)


def key_of(server: Server, paths: Iterable[Path]) -> tuple[object, ...]:
    """Make a key that is equal for servers whose values at the paths are equal.

    Raises:
        TypeError, ValueError: a value holds something templates cannot see.
    """
    return tuple(_hashable(_of_server(server, path)) for path in paths)


def _of_server(server: Server, path: Path) -> object:
    if path[0] == "vars":
        return find(server.vars, path[1:])
    if path == ("server", "name"):
        return server.name
    return find(server_value(server), path[1:])


def _hashable(value: object) -> object:
    if isinstance(value, str) or value is None or value is ABSENT:
        return value
    if isinstance(value, (bool, int, float)):
        return (type(value), value)
    return ("json", canonical(value))
