"""Pairs that deliver to one path of one server once their templates are rendered; called by `pairs`. Pure.

Paths that are written out were judged before anything was rendered.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.model.diagnostic import NOWHERE, Diagnostic, Place
from controller.model.work import Pair, Work

Places = Mapping[str, Mapping[str, Place]]
"""Where things are written: by target, then "" for the target and "checkout" for its task's checkout."""


@dataclass(frozen=True, slots=True, order=True)
class _Claim:
    place: Place
    target: str


def collisions(pairs: Iterable[Pair], places: Places) -> Iterator[Diagnostic]:
    """Find every path that two targets deliver to on one server; each couple of targets is told once."""
    delivering = [pair for pair in pairs if pair.work.files or pair.work.checkout is not None]
    shared = _shared_paths(delivering)
    if not shared:
        return
    claimed: dict[tuple[str, str], _Claim] = {}
    found: dict[tuple[str, _Claim, _Claim], list[str]] = {}
    for pair in delivering:
        for path, place in _claims(pair, places):
            if path in shared:
                mine = _Claim(place, pair.target)
                other = claimed.setdefault((pair.server, path), mine)
                if other.target != mine.target:
                    first, second = sorted((other, mine))
                    found.setdefault((path, first, second), []).append(pair.server)
    for (path, first, second), servers in found.items():
        yield _told(path, (first, second), servers, places)


def _shared_paths(pairs: Iterable[Pair]) -> set[str]:
    """List the paths that more than one target names on any server: a few of many, and most often none."""
    owners: dict[str, str] = {}
    shared: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for pair in pairs:
        if (pair.target, id(pair.work)) in seen:
            continue
        seen.add((pair.target, id(pair.work)))
        for path in _paths(pair.work):
            if owners.setdefault(path, pair.target) != pair.target:
                shared.add(path)
    return shared


def _paths(work: Work) -> Iterator[str]:
    if work.checkout is not None:
        yield work.checkout.path
    for file in work.files:
        yield file.path


def _claims(pair: Pair, places: Places) -> Iterator[tuple[str, Place]]:
    if pair.work.checkout is not None:
        yield pair.work.checkout.path, places[pair.target].get("checkout", NOWHERE)
    for file in pair.work.files:
        yield file.path, file.place or NOWHERE


def _told(
    path: str, claims: tuple[_Claim, _Claim], servers: list[str], places: Places
) -> Diagnostic:
    """Name both places: those of the paths, or of the targets when both have one task."""
    first, second = claims
    if first.place == second.place:
        first, second = sorted(
            _Claim(places[one.target].get("", NOWHERE), one.target) for one in claims
        )
    more = f" and {len(servers) - 1} more" if len(servers) > 1 else ""
    return Diagnostic(
        code="same-path",
        message=f"cannot deliver {path[:200]} to {servers[0]}{more} twice: "
        f"{second.target} does, and {first.target} at {first.place}",
        place=second.place,
        hint="give them paths or servers of their own",
    )
