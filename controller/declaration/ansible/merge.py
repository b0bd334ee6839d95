"""From a draft to what holds for each host: depth of groups, order of precedence, merged variables.

Called by `inventory`. The order is Ansible's: what the inventory says of `all` and of the groups, then their files,
then what the inventory says of the host, then its files. Groups come by depth, priority and name, so that the child wins
over its parent.
"""

from typing import Final

from controller.declaration.ansible.draft import (
    PRIORITY,
    USUAL_PRIORITY,
    Draft,
    DraftGroup,
    DraftHost,
    Values,
)
from controller.declaration.ansible.findings import Refusal

MAX_MERGED: Final = 5_000_000
MAGIC: Final = frozenset(
    # Written as a text: one word a line would be twenty lines of nothing.
    [
        "ansible_config_file",
        "ansible_diff_mode",
        "ansible_facts",
        "ansible_forks",
        "ansible_inventory_sources",
        "ansible_limit",
        "ansible_playbook_python",
        "ansible_run_tags",
        "ansible_skip_tags",
        "ansible_verbosity",
        "ansible_version",
        "group_names",
        "groups",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "omit",
        "playbook_dir",
    ]
)
"""Names that Ansible sets itself, whatever an inventory says."""


def settle(draft: Draft) -> None:
    """Put groups without parents below `all`, hosts without groups into `ungrouped`, and measure depths.

    Raises:
        Refusal: groups are each other's children.
    """
    top, ungrouped = draft.groups["all"], draft.groups["ungrouped"]
    for name, group in draft.groups.items():
        if name != "all" and not group.parents:
            top.children[name] = group.place
            group.parents["all"] = None
    for host in draft.hosts.values():
        if host.groups.keys() - {"all", "ungrouped"}:
            ungrouped.hosts.pop(host.name, None)
            host.groups.pop("ungrouped", None)
        else:
            ungrouped.hosts[host.name] = None
            host.groups["ungrouped"] = None
    _measure(draft)


def _measure(draft: Draft) -> None:
    """Give each group the length of the longest way from `all`, parents before children."""
    missing = {name: len(group.parents) for name, group in draft.groups.items()}
    ready = [name for name, count in missing.items() if not count]
    while ready:
        group = draft.groups[ready.pop()]
        del missing[group.name]
        for name in group.children:
            child = draft.groups[name]
            child.depth = max(child.depth, group.depth + 1)
            missing[name] -= 1
            if not missing[name]:
                ready.append(name)
    if missing:
        raise _cycle(draft, missing)


def _cycle(draft: Draft, left: dict[str, int]) -> Refusal:
    """Follow parents that are left until one comes again: that one is in a circle."""
    seen: dict[str, None] = {}
    name = next(iter(left))
    while name not in seen:
        seen[name] = None
        name = next(parent for parent in draft.groups[name].parents if parent in left)
    circle = list(seen)[list(seen).index(name) :][::-1]
    edges = zip(circle, [*circle[1:], circle[0]], strict=True)
    place, parent, child = max(
        (draft.groups[parent].children[child], parent, child) for parent, child in edges
    )
    message = f"cannot make {child!r} a child of {parent!r}: it is above it already"
    return Refusal(message, place, code="group-cycle", hint=" > ".join([*circle, circle[0]])[:400])


def order(draft: Draft, host: DraftHost) -> list[DraftGroup]:
    """Give all groups of a host without `all`, the weakest first."""
    names = draft.ancestors(iter(host.groups))
    groups = [draft.groups[name] for name in names if name != "all"]
    return sorted(groups, key=lambda group: (group.depth, group.priority, group.name))


class Merger:
    """Merges the variables of hosts; hosts of the same groups share the work."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._shared: dict[tuple[str, ...], Values] = {}
        self._kept = 0

    def merged(self, host: DraftHost) -> Values:
        """Give all variables that hold for a host."""
        key = tuple(sorted(host.groups))
        if key not in self._shared:
            self._shared[key] = self._of_groups(host)
        shared = self._shared[key]
        self._kept += len(shared.values) if host.said.values or host.filed.values else 0
        if self._kept > MAX_MERGED:
            message = f"cannot keep more than {MAX_MERGED} merged variables of all hosts together"
            raise Refusal(message, host.place, code="too-large")
        if not host.said.values and not host.filed.values:
            return shared
        made = Values(values=dict(shared.values), places=dict(shared.places))
        made.update(own(host))
        return made

    def _of_groups(self, host: DraftHost) -> Values:
        groups = [self._draft.groups["all"], *order(self._draft, host)]
        made = Values()
        for group in groups:
            made.update(group.said)
        for group in groups:
            made.update(group.filed)
        return without(made, MAGIC)


def own(host: DraftHost) -> Values:
    """Give the variables that are said of the host itself."""
    made = Values(values=dict(host.said.values), places=dict(host.said.places))
    made.update(host.filed)
    return without(made, MAGIC)


def of_group(group: DraftGroup) -> Values:
    """Give the variables of a group alone, with its priority, which is heeded but not handed on."""
    made = Values(values=dict(group.said.values), places=dict(group.said.places))
    if group.priority != USUAL_PRIORITY:
        made.set(PRIORITY, group.priority, group.priority_place)
    made.update(group.filed)
    return without(made, MAGIC)


def without(values: Values, names: frozenset[str]) -> Values:
    """Leave out some names."""
    for name in names & values.values.keys():
        del values.values[name]
        del values.places[name]
    return values
