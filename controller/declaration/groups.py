"""Groups: which exist, which are inside which, and what they give their servers; called by `servers`.

A group exists when it is declared, or when a server or another group's `children` names it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from controller.declaration.block import Block, merged
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Place

ALL = "all"
UNGROUPED = "ungrouped"


@dataclass(slots=True, kw_only=True)
class Family:
    """What a set of groups gives a server: the groups parents first, variables, defaults and their places."""

    groups: tuple[str, ...]
    vars: dict[str, object] = field(default_factory=dict)
    origins: dict[str, Place] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)


class Groups:
    """The graph of groups; `family` answers for a server's own list, once for each list."""

    def __init__(self, wishes: Wishes, files: Iterable[tuple[str, Block]]) -> None:
        """Build the graph.

        Args:
            wishes: all blocks.
            files: (group, variables) of `group_vars/`, in the order in which they hold.
        """
        self._wishes = wishes
        self.blocks = wishes.of("groups")
        self.children: dict[str, tuple[str, ...]] = {
            name: tuple(cast("list[str]", block.data.get("children", [])))
            for name, block in self.blocks.items()
        }
        self.parents: dict[str, list[str]] = {}
        for name in sorted(self.children):
            for child in self.children[name]:
                self.parents.setdefault(child, []).append(name)
        self.files: dict[str, list[Block]] = {}
        for name, block in files:
            self.files.setdefault(name, []).append(block)
        self._families: dict[tuple[str, ...], Family] = {}
        self._depths: dict[str, int] = {}
        self._refuse_cycles()

    def _refuse_cycles(self) -> None:
        """Report every cycle once and cut it, so that the rest can be judged."""
        done: set[str] = set()
        for start in sorted(self.children):
            path: list[str] = []
            stack: list[tuple[str, int]] = [(start, 0)]
            while stack:
                name, index = stack.pop()
                if index == 0:
                    path.append(name)
                below = self.children.get(name, ())
                if name in done or index >= len(below):
                    done.add(name)
                    path.pop()
                    continue
                stack.append((name, index + 1))
                child = below[index]
                if child in path:
                    self._cut(name, child, path[path.index(child) :])
                elif child not in done:
                    stack.append((child, 0))

    def _cut(self, name: str, child: str, cycle: list[str]) -> None:
        block = self.blocks[name]
        index = self.children[name].index(child)
        self._wishes.findings.error(
            "group-cycle",
            f"cannot put the group {child} inside itself: {' > '.join([*cycle, child])}",
            block.where("children", index),
        )
        self.parents[child].remove(name)

    def depth(self, name: str) -> int:
        """Count the longest way down to a group; one without parents is 1."""
        known = self._depths.get(name)
        if known is None:
            above = self.parents.get(name, [])
            known = 1 + max((self.depth(parent) for parent in above), default=0)
            self._depths[name] = known
        return known

    def family(self, own: tuple[str, ...]) -> Family:
        """Give what a server that names these groups gets from them."""
        known = self._families.get(own)
        if known is None:
            known = self._families[own] = self._make(own)
        return known

    def _make(self, own: tuple[str, ...]) -> Family:
        names: set[str] = set()
        waiting = [name for name in own if name not in {ALL, UNGROUPED}]
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                waiting.extend(self.parents.get(name, []))
        names.discard(ALL)
        ordered = tuple(sorted(names, key=lambda name: (self.depth(name), name)))
        family = Family(groups=ordered)
        implicit = (ALL,) if ordered else (ALL, UNGROUPED)
        for name in (*implicit, *ordered):
            self._add_declared(family, name)
        for name in (*implicit, *ordered):
            for block in self.files.get(name, []):
                family.vars.update(block.data)
                family.origins.update({key: block.where(key) for key in block.data})
        return family

    def _add_declared(self, family: Family, name: str) -> None:
        block = self.blocks.get(name)
        if block is None:
            return
        variables = cast("dict[str, object]", block.data.get("vars", {}))
        family.vars.update(variables)
        family.origins.update({key: block.where("vars", key) for key in variables})
        defaults = cast("dict[str, object]", block.data.get("defaults", {}))
        family.defaults = merged(family.defaults, defaults)
