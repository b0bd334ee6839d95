"""Cycles in "this waits for that"; called by `dependencies`. Pure."""

from collections.abc import Mapping, Sequence


def cycles(waits: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Find cycles, each as the names on it in order, beginning at the least; nothing when there is none.

    Every name that is on a cycle waits for one that is told. Names that are no key of `waits` wait for nothing.
    """
    found: dict[tuple[str, ...], None] = {}
    done: set[str] = set()
    for start in sorted(waits):
        path: dict[str, None] = {}
        stack: list[tuple[str, int]] = [] if start in done else [(start, 0)]
        while stack:
            name, index = stack.pop()
            path[name] = None
            before = waits.get(name, ())
            if index == len(before):
                done.add(name)
                del path[name]
                continue
            stack.append((name, index + 1))
            other = before[index]
            if other in path:
                found[_from_least(path, other)] = None
            elif other not in done:
                stack.append((other, 0))
    return [list(cycle) for cycle in found]


def _from_least(path: Mapping[str, None], first: str) -> tuple[str, ...]:
    names = list(path)
    ring = names[names.index(first) :]
    least = ring.index(min(ring))
    return tuple(ring[least:] + ring[:least])
