"""The inventory while it is being put together: hosts, groups and what is said of each, in the order met.

`ini` and `tree` fill it, `vars` adds what the folders beside it say, `merge` resolves it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from controller.declaration.ansible.findings import Refusal
from controller.model.diagnostic import NOWHERE, Place

MAX_HOSTS: Final = 100_000
MAX_GROUPS: Final = 20_000
MAX_SAID: Final = 1_000_000
"""How often, all lines together, a host is named or given a variable."""
PRIORITY: Final = "ansible_group_priority"
USUAL_PRIORITY: Final = 1
_LONGEST_NAME: Final = 253


@dataclass(slots=True)
class Values:
    """Variables of one host or group by name, each with its place."""

    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def set(self, key: str, value: object, place: Place) -> None:
        """Set one variable; what was said before is forgotten."""
        self.values[key] = value
        self.places[key] = place

    def update(self, other: "Values") -> None:
        """Set all variables of `other`."""
        self.values.update(other.values)
        self.places.update(other.places)


@dataclass(slots=True)
class DraftHost:
    """One host: `said` in the inventory itself, `filed` in host_vars."""

    name: str
    place: Place
    said: Values = field(default_factory=Values)
    filed: Values = field(default_factory=Values)
    groups: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class DraftGroup:
    """One group: `said` in the inventory itself, `filed` in group_vars; `children` with where it says so."""

    name: str
    place: Place
    said: Values = field(default_factory=Values)
    filed: Values = field(default_factory=Values)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Place] = field(default_factory=dict)
    parents: dict[str, None] = field(default_factory=dict)
    priority: int = USUAL_PRIORITY
    priority_place: Place = NOWHERE
    depth: int = 0


class Draft:
    """Hosts and groups by name; `all` and `ungrouped` are always there."""

    def __init__(self, place: Place) -> None:
        self._said = 0
        self.hosts: dict[str, DraftHost] = {}
        self.groups: dict[str, DraftGroup] = {
            name: DraftGroup(name=name, place=place) for name in ("all", "ungrouped")
        }
        self.groups["all"].children["ungrouped"] = place
        self.groups["ungrouped"].parents["all"] = None

    def count(self, hosts: int, variables: int, place: Place) -> None:
        """Count what one line or key is about to say of many hosts.

        Raises:
            Refusal: a small file says more than there is room for.
        """
        self._said += hosts * (1 + variables)
        if self._said > MAX_SAID:
            message = f"cannot keep more than {MAX_SAID} hosts and variables, ranges written out"
            raise Refusal(message, place, code="too-large")

    def group(self, name: object, place: Place) -> DraftGroup:
        """Give the group `name`, new if it must be."""
        checked = _name(name, "group", place)
        if checked not in self.groups:
            if len(self.groups) >= MAX_GROUPS:
                message = f"cannot read more than {MAX_GROUPS} groups"
                raise Refusal(message, place, code="too-large")
            self.groups[checked] = DraftGroup(name=checked, place=place)
        return self.groups[checked]

    def host(self, name: str, group: DraftGroup, port: int | None, place: Place) -> DraftHost:
        """Give the host `name` as a member of `group`; only a new host takes the port."""
        host = self.hosts.get(name)
        if host is None:
            if len(self.hosts) >= MAX_HOSTS:
                raise Refusal(f"cannot read more than {MAX_HOSTS} hosts", place, code="too-large")
            host = self.hosts[name] = DraftHost(name=_name(name, "host", place), place=place)
            if port is not None:
                host.said.set("ansible_port", port, place)
        host.groups[group.name] = None
        group.hosts[name] = None
        return host

    def adopt(self, parent: DraftGroup, child: str, place: Place) -> None:
        """Make the group `child`, which exists, a child of `parent`."""
        if parent.name == child:
            raise Refusal(
                f"cannot make group {child!r} a child of itself", place, code="group-cycle"
            )
        parent.children.setdefault(child, place)
        self.groups[child].parents[parent.name] = None

    def ancestors(self, names: Iterator[str]) -> dict[str, None]:
        """Give the groups `names` and everything above them, in no order."""
        found: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting.extend(self.groups[name].parents)
        return found


def set_group(group: DraftGroup, key: str, value: object, place: Place) -> None:
    """Set a variable of a group as the inventory itself says it, its priority included."""
    if key == PRIORITY:
        group.priority_place = place
        try:
            group.priority = int(str(value))
        except ValueError:
            message = f"cannot use {value!r} as {PRIORITY}: a whole number is expected"
            raise Refusal(message, place, code="bad-value") from None
    else:
        group.said.set(key, value, place)


def _name(name: object, what: str, place: Place) -> str:
    """Take a name as it is, unless it is no text, empty, endless or would garble a terminal."""
    if not isinstance(name, str):
        message = f"cannot use {name!r} as a {what} name: text is expected"
        raise Refusal(message, place, code="bad-name", hint="put it in quotation marks")
    if not name:
        raise Refusal(f"cannot use an empty {what} name", place, code="bad-name")
    if len(name) > _LONGEST_NAME or not name.isprintable():
        shown = ascii(name[:40])
        message = f"cannot use {shown} as a {what} name: too long, or characters nobody can see"
        raise Refusal(message, place, code="bad-name")
    return name
