"""The groups of an Ansible inventory as they will be declared, and what a server gets from them by our own order.

Called by `importing`. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from controller.declaration.import_text import writable
from controller.model.ids import HOST_NAME, NAME
from controller.model.inventory import Group

IMPLICIT: Final = frozenset({"all", "ungrouped"})
"""Groups that every inventory has."""
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class Family:
    """Groups as they will be declared, and what a server gets from them by our own order."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self.kept = {name: group for name, group in groups.items() if NAME.fullmatch(name)}
        self.groups = groups
        self._parents: dict[str, list[str]] = {}
        self._above: dict[str, list[str]] = {}
        for name, group in groups.items():
            for child in group.children if name != "all" else ():
                self._above.setdefault(child, []).append(name)
                if name in self.kept:
                    self._parents.setdefault(child, []).append(name)
        self._depths: dict[str, int] = {}
        self._given: dict[tuple[str, ...], dict[str, object]] = {}
        self._named: dict[tuple[str, ...], tuple[str, ...]] = {}

    def named(self, direct: tuple[str, ...]) -> tuple[str, ...]:
        """Give the groups a server must name: its own, and those above that cannot name their children."""
        if direct not in self._named:
            found = dict.fromkeys(name for name in direct if name not in IMPLICIT)
            above = _walk(direct, self._above)
            found.update(dict.fromkeys(name for name in above if name not in self.kept))
            self._named[direct] = tuple(name for name in found if HOST_NAME.fullmatch(name))
        return self._named[direct]

    def given(self, named: tuple[str, ...]) -> dict[str, object]:
        """Give the variables that our loader will merge for a server that names these groups."""
        if named not in self._given:
            names = [name for name in _walk(named, self._parents) if name in self.kept]
            ordered = sorted(names, key=lambda name: (self._depth(name), name))
            made: dict[str, object] = {}
            for name in ("all", *(ordered if named else ("ungrouped",))):
                made.update(declared(self.groups[name].vars))
            self._given[named] = made
        return self._given[named]

    def _depth(self, name: str) -> int:
        """Measure the longest way down; our own depths, for groups that are kept."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            above = self._parents.get(current, [])
            unknown = [parent for parent in above if parent not in self._depths]
            if unknown:
                waiting += unknown
                continue
            self._depths[current] = 1 + max((self._depths[item] for item in above), default=0)
            waiting.pop()
        return self._depths[name]


def _walk(names: tuple[str, ...], parents: Mapping[str, list[str]]) -> Sequence[str]:
    found: dict[str, None] = {}
    waiting = [name for name in names if name not in IMPLICIT]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += parents.get(name, [])
    return list(found)


def declared(variables: Mapping[str, object]) -> dict[str, object]:
    """Give the variables that a declaration can hold."""
    return {
        key: value
        for key, value in variables.items()
        if VARIABLE.fullmatch(key) and key != "ansible_group_priority" and writable(value)
    }
