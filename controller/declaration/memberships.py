"""Every group with all its servers, declared and adopted; called by `loader` once the servers stand."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from controller.declaration.adopted import Adopted, joined
from controller.declaration.block import Block
from controller.declaration.groups import UNGROUPED, Groups
from controller.declaration.quantities import amount
from controller.declaration.wishes import Wishes
from controller.model.amount import Amount
from controller.model.diagnostic import NOWHERE
from controller.model.inventory import Group, Server


def build_groups(
    wishes: Wishes, graph: Groups, servers: Mapping[str, Server], adopted: Adopted
) -> dict[str, Group]:
    """Build every group in order of name, the servers of its children included."""
    members: dict[str, list[str]] = {name: [] for name in graph.blocks}
    for child in graph.parents:
        members.setdefault(child, [])
    for name, server in servers.items():
        for group in server.groups:
            members.setdefault(group, []).append(name)
    groups: dict[str, Group] = {}
    for name in sorted(members):
        block = graph.blocks.get(name)
        groups[name] = Group(
            name=name,
            servers=tuple(members[name]),
            children=graph.children.get(name, ()),
            vars=cast("dict[str, object]", block.data.get("vars", {})) if block else {},
            max_unavailable=_limit(wishes, block) if block else None,
            was=cast("str | None", block.data.get("was")) if block else None,
            place=block.place if block else NOWHERE,
        )
    for name, other in adopted.groups.items():
        groups[name] = joined(groups[name], other) if name in groups else other
    return dict(sorted((_closed(groups) if adopted.groups else groups).items()))


def _limit(wishes: Wishes, block: Block) -> Amount | None:
    if "max_unavailable" not in block.data:
        return None
    limit = amount(block.data["max_unavailable"])
    place = block.where("max_unavailable", value=True)
    if block.name == UNGROUPED:
        wishes.findings.error(
            "limit-of-ungrouped",
            "cannot limit the servers that are in no group",
            place,
            "put them in a group and limit that, or limit `all`",
        )
    elif not limit.number:
        wishes.findings.warn(
            "nothing-can-run",
            f"nothing can ever run on the servers of {block.name}: none of them may be unavailable",
            place,
            "use `suspended` on targets to hold them back for a while",
        )
    return limit


def _closed(groups: Mapping[str, Group]) -> dict[str, Group]:
    """Give groups the servers of children that another tool's inventory declares."""
    return {name: replace(group, servers=_below(name, groups)) for name, group in groups.items()}


def _below(name: str, groups: Mapping[str, Group]) -> tuple[str, ...]:
    found: set[str] = set()
    waiting, seen = [name], {name}
    while waiting:
        group = groups.get(waiting.pop())
        if group is not None:
            found.update(group.servers)
            waiting.extend(child for child in group.children if child not in seen)
            seen.update(group.children)
    return tuple(sorted(found))
