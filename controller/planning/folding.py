"""Equal changes folded over servers, and server names written short: web-[01:14].

Called by the faces. The plan itself keeps every pair.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from controller.model.plan import Change
from controller.planning.order import natural

_LAST_NUMBER: Final = re.compile(r"(?P<head>.*?)(?P<number>[0-9]+)(?P<tail>[^0-9]*)")
_RANGE: Final = 3
"""So many neighbours make a range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Changes that differ in nothing but the server; `first` stands for all, `names` writes the servers short."""

    first: Change
    changes: tuple[Change, ...]
    names: str

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers in order."""
        return tuple(change.server for change in self.changes)


def fold(changes: Iterable[Change]) -> tuple[Fold, ...]:
    """Group changes that read the same, in the order of their first."""
    groups: dict[Change, list[Change]] = {}
    for change in changes:
        groups.setdefault(_likeness(change), []).append(change)
    return tuple(
        Fold(
            first=group[0],
            changes=tuple(group),
            names=short_names(change.server for change in group),
        )
        for group in groups.values()
    )


def _likeness(change: Change) -> Change:
    """Take away what differs from server to server without being read."""
    blocker = change.blocked_by
    return replace(
        change,
        server="",
        before=None,
        after=None,
        expect=None,
        was=None if change.was is None else (change.was[0], ""),
        blocked_by=None if blocker is None else replace(blocker, clear=None),
    )


def short_names(names: Iterable[str]) -> str:
    """Write names in order, neighbours as Ansible ranges."""
    runs: list[list[str]] = []
    for name in sorted(set(names), key=natural):
        if runs and _neighbours(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(written for run in runs for written in _written(run))


def _neighbours(before: str, after: str) -> bool:
    """Say whether a range may go from one name to the next: the same text around numbers that follow each other."""
    one, two = _parts(before), _parts(after)
    if one is None or two is None or (one[0], one[2]) != (two[0], two[2]):
        return False
    padded = one[1].startswith("0") or two[1].startswith("0")
    if padded and len(one[1]) != len(two[1]):
        return False
    return int(two[1]) == int(one[1]) + 1


def _written(run: list[str]) -> list[str]:
    first, last = _parts(run[0]), _parts(run[-1])
    if len(run) < _RANGE or first is None or last is None:
        return run
    return [f"{first[0]}[{first[1]}:{last[1]}]{first[2]}"]


def _parts(name: str) -> tuple[str, str, str] | None:
    """Split a name around the last number of its first label, or of the whole name."""
    label, dot, rest = name.partition(".")
    found = _LAST_NUMBER.fullmatch(label)
    if found is not None and not label.isdigit():
        return found["head"], found["number"], found["tail"] + dot + rest
    found = _LAST_NUMBER.fullmatch(name)
    return None if found is None else (found["head"], found["number"], found["tail"])
