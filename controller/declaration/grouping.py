"""Servers grouped by the values that a target's texts use, and those values.

Called by `pairs` and `checks`: what is equal is rendered and hashed once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.declaration.blueprint import Blueprint
from controller.declaration.templates import Path, Site, Studies
from controller.declaration.values import constant_values, key_of, server_value
from controller.model.inventory import Server
from controller.model.revision import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Servers whose used values are equal; the first stands for all."""

    servers: list[Server]

    @property
    def first(self) -> Server:
        """The server whose values are rendered."""
        return self.servers[0]


def server_paths(sites: Iterable[Site], studies: Studies) -> list[Path]:
    """List the values of a server that texts can reach."""
    used = {path for site in sites for path in studies.paths(site)}
    return sorted(path for path in used if path[0] in {"vars", "server"})


def group_key(server: Server, paths: Iterable[Path]) -> object:
    """Make a key that equal servers share; one with a value no template may see is alone."""
    try:
        return key_of(server, paths)
    except (TypeError, ValueError):  # rendering will say which text uses it
        return server.name, None


def group_servers(servers: list[Server], paths: list[Path]) -> list[Group]:
    """Group servers, in order of their first."""
    if not paths:
        return [Group(servers=servers)] if servers else []
    groups: dict[object, Group] = {}
    for server in servers:
        key = group_key(server, paths)
        found = groups.get(key)
        if found is None:
            groups[key] = Group(servers=[server])
        else:
            found.servers.append(server)
    return list(groups.values())


def values_of(
    plan: Blueprint, server: Server, revision: Revision | None, commit: Mapping[str, str] | None
) -> dict[str, object]:
    """Gather everything a target's texts see on a server but `params`; `commit` stands in for the revision's."""
    values = constant_values(plan.target, revision, commit)
    values["vars"] = server.vars
    values["server"] = server_value(server)
    return values
