"""Inventories of other tools, laid beside the declared servers; called by `loader`, calls `ansible`.

Hosts keep the variables that their own tool gives them. A group that exists on both sides is one group for patterns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from controller.declaration.ansible.inventory import AnsibleInventory, read
from controller.declaration.groups import ALL, UNGROUPED
from controller.declaration.wishes import Wishes
from controller.model.declaration import AdoptedInventory, Secret
from controller.model.diagnostic import NOWHERE
from controller.model.inventory import Carrier, Group, Server, Ssh


@dataclass(slots=True, kw_only=True)
class Adopted:
    """What all inventories say together."""

    servers: dict[str, Server] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    inventories: dict[str, AdoptedInventory] = field(default_factory=dict)


def adopt(wishes: Wishes) -> Adopted:
    """Read every entry of `inventories:` in order of name."""
    adopted = Adopted()
    blocks = wishes.of("inventories")
    for name in sorted(blocks):
        block = blocks[name]
        path = cast("str", block.data["ansible"])
        inventory = read(wishes.tree, path, place=block.where("ansible", value=True))
        wishes.findings.extend(inventory.diagnostics)
        adopted.inventories[name] = AdoptedInventory(
            name=name,
            tool="ansible",
            path=path,
            servers=tuple(sorted(inventory.hosts)),
            place=block.place,
        )
        _take(wishes, adopted, inventory)
    return adopted


def _take(wishes: Wishes, adopted: Adopted, inventory: AnsibleInventory) -> None:
    member_of = _memberships(inventory.groups)
    for name, variables in inventory.hosts.items():
        server = _server(name, variables, inventory, member_of.get(name, ()))
        other = adopted.servers.setdefault(name, server)
        if other is not server:
            wishes.twice("servers", name, other.place, server.place)
    for name, group in inventory.groups.items():
        if name not in {ALL, UNGROUPED}:
            known = adopted.groups.get(name)
            adopted.groups[name] = joined(known, group) if known else group
    adopted.secrets.update({secret.name: secret for secret in inventory.secrets})


def _server(
    name: str, variables: Mapping[str, object], inventory: AnsibleInventory, groups: tuple[str, ...]
) -> Server:
    login = inventory.connections.get(name, Ssh())
    return Server(
        name=name,
        address=inventory.addresses.get(name, name),
        carrier=Carrier.LOCAL if login is None else Carrier.SSH,
        ssh=login or Ssh(),
        groups=groups,
        vars=variables,
        origins=inventory.origins.get(name, {}),
        place=inventory.places.get(name, NOWHERE),
    )


def _memberships(groups: Mapping[str, Group]) -> dict[str, tuple[str, ...]]:
    """Give every server its groups, parents before children."""
    parents: dict[str, set[str]] = {}
    for name, group in groups.items():
        for child in group.children:
            parents.setdefault(child, set()).add(name)
    above = {name: _above(name, parents) for name in groups}
    member_of: dict[str, set[str]] = {}
    for name, group in groups.items():
        for server in group.servers:
            member_of.setdefault(server, set()).update(above[name])
    return {
        server: tuple(
            sorted(names - {ALL, UNGROUPED}, key=lambda name: (len(above.get(name, ())), name))
        )
        for server, names in member_of.items()
    }


def _above(name: str, parents: Mapping[str, set[str]]) -> set[str]:
    """Give a group and everything it is inside of; a circle ends where it began."""
    found = {name}
    waiting = [name]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def joined(one: Group, other: Group) -> Group:
    """Make one group of two of the same name; variables of the first hold."""
    return Group(
        name=one.name,
        servers=tuple(sorted({*one.servers, *other.servers})),
        children=tuple(dict.fromkeys((*one.children, *other.children))),
        vars={**other.vars, **one.vars},
        max_unavailable=one.max_unavailable,
        was=one.was,
        place=one.place,
    )
