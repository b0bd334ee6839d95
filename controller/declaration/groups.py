"""Groups: which exist, which are inside which, and what they give their servers; called by `servers`.

A group exists when it is declared, or when a server or another group's `children` names it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.carriers import laid_over
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Place

ALL: Final = "all"
UNGROUPED: Final = "ungrouped"
DEEPEST: Final = 64
SHOWN: Final = 10


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
        self.depths: dict[str, int] = {}
        self._refuse_cycles()
        self._measure()

    def _refuse_cycles(self) -> None:
        """Report every cycle once and cut it, so that the rest can be judged."""
        done: set[str] = set()
        for start in sorted(self.children):
            path: dict[str, None] = {}
            stack: list[tuple[str, int]] = [] if start in done else [(start, 0)]
            while stack:
                name, index = stack.pop()
                path[name] = None
                below = self.children.get(name, ())
                if index >= len(below):
                    done.add(name)
                    del path[name]
                    continue
                stack.append((name, index + 1))
                child = below[index]
                if child in path:
                    self._cut(name, index, list(path))
                elif child not in done:
                    stack.append((child, 0))

    def _cut(self, name: str, index: int, path: list[str]) -> None:
        child = self.children[name][index]
        cycle = [*path[path.index(child) :], child]
        self._wishes.findings.error(
            "group-cycle",
            f"cannot put the group {child} inside itself: {' > '.join(cycle[-SHOWN:])}",
            self.blocks[name].where("children", index),
        )
        self.parents[child].remove(name)

    def _measure(self) -> None:
        """Give every group its depth, the longest way down to it; one without parents has 1."""
        waiting = {name: len(above) for name, above in self.parents.items()}
        ready = sorted(name for name in self.children if not waiting.get(name))
        while ready:
            name = ready.pop()
            depth = self.depths.setdefault(name, 1)
            for child in self.children.get(name, ()):
                if name not in self.parents[child]:
                    continue
                self.depths[child] = max(self.depths.get(child, 1), depth + 1)
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        for name in sorted(self.depths):
            if self.depths[name] == DEEPEST + 1:
                self._wishes.findings.error(
                    "too-deep",
                    f"cannot put the group {name} below more than {DEEPEST} others",
                    self.blocks[min(self.parents[name])].where("children"),
                )

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
        ordered = tuple(sorted(names, key=lambda name: (self.depths.get(name, 1), name)))
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
        family.defaults = laid_over(family.defaults, defaults)
