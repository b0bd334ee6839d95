"""Two targets that deliver to the same path of one server; called by `loader`.

Judged here are paths that are written out. What templates make of the others is known once they are rendered.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.declaration.templates import is_template
from controller.declaration.wishes import Wishes
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE, Place
from controller.model.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One target that delivers to a path, and where the path is written."""

    target: str
    place: Place


def check_overlaps(
    wishes: Wishes, targets: Mapping[str, Target], tasks: Mapping[str, Task]
) -> None:
    """Report every path that two targets deliver to on one server, once for each two targets that meet."""
    claims: dict[str, list[Claim]] = {}
    for target in targets.values():
        task = tasks.get(target.task)
        for path, place in _paths(task) if task is not None else ():
            claims.setdefault(path, []).append(Claim(target=target.name, place=place))
    meetings: dict[tuple[str, ...], dict[tuple[str, str], list[str]]] = {}
    for path, those in sorted(claims.items()):
        names = tuple(claim.target for claim in those)
        if len(set(names)) > 1:
            if names not in meetings:
                meetings[names] = _meetings(names, targets)
            _report(wishes, path, those, meetings[names], targets)


def _paths(task: Task) -> Iterator[tuple[str, Place]]:
    written = [(file.path, file.places) for file in task.files]
    if task.checkout is not None:
        written.append((task.checkout.path, task.checkout.places))
    for path, places in written:
        if not is_template(path):
            place = places.get("path") or places.get("", NOWHERE)
            yield "/" + posixpath.normpath(path).lstrip("/"), place


def _meetings(
    names: Sequence[str], targets: Mapping[str, Target]
) -> dict[tuple[str, str], list[str]]:
    """Give the servers that two targets share, by (target, later target)."""
    found: dict[tuple[str, str], list[str]] = {}
    first: dict[str, str] = {}
    for name in dict.fromkeys(names):
        for server in targets[name].members:
            other = first.setdefault(server, name)
            if other != name:
                found.setdefault((other, name), []).append(server)
    return found


def _report(
    wishes: Wishes,
    path: str,
    claims: Sequence[Claim],
    meetings: Mapping[tuple[str, str], Sequence[str]],
    targets: Mapping[str, Target],
) -> None:
    places = {claim.target: claim.place for claim in reversed(claims)}
    for (one, other), servers in meetings.items():
        shared = places[one] == places[other]
        first, second = (
            (targets[one].places.get("", NOWHERE), targets[other].places.get("", NOWHERE))
            if shared
            else (places[one], places[other])
        )
        more = f" and {len(servers) - 1} more" if len(servers) > 1 else ""
        wishes.findings.error(
            "same-path",
            f"cannot deliver {path[:200]} to {servers[0]}{more} twice: "
            f"{other} does, and {one} at {first}",
            second,
            "give them paths or servers of their own",
        )
