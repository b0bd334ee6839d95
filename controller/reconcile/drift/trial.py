"""Trying a change of the config repository before anybody makes it: what would be declared, and for whom.

Called by `adopting`. Nothing is written; the files are laid over the tree in memory, loaded and rendered.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from controller.declaration import loader, pairs
from controller.declaration.overlay import Overlay
from controller.errors import RefusedError
from controller.model.declaration import Declaration
from controller.model.diagnostic import Severity
from controller.model.files import FileWork
from controller.model.scope import Scope
from controller.model.tree import Tree
from controller.model.work import Pair
from controller.planning.inputs import PairKey
from controller.reconcile.drift.amendment import Amendment, Live, attributes, together
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.seen import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair with drift: what was seen, what is wanted, and the files of the config repository."""

    rooms: Rooms
    seen: Seen
    pair: Pair
    tree: Tree

    @property
    def key(self) -> PairKey:
        """Name the pair."""
        return self.pair.target, self.pair.server


async def trial(
    case: Case, made: Mapping[str, Amendment], lives: Mapping[str, Live]
) -> Declaration:
    """Load what would be declared, and demand that it asks for exactly what lies there.

    Raises:
        RefusedError: it would not.
    """
    changed = together(case.tree, made)
    tree = Overlay(case.tree, {name: after.encode() for name, (_, after) in changed.items()})
    declaration = loader.load(tree).declaration
    if declaration is None:
        raise RefusedError(
            f"cannot adopt {', '.join(made)}: {first_error(tree)}",
            hint="change the declaration by hand",
        )
    target, server = case.key
    scope = Scope(targets=frozenset({target}), servers=frozenset({server}))
    pair = (await resolved(case, declaration, scope)).get(case.key)
    files = {} if pair is None else {one.path: one for one in pair.work.files}
    for path, live in lives.items():
        if path not in files or not fits(live, files[path]):
            raise RefusedError(
                f"cannot adopt {path}: no change of its declaration gives exactly what lies there",
                hint="change the declaration by hand, and compare with ctl plan",
            )
    return declaration


def first_error(tree: Tree) -> str:
    """Say what is wrong with a tree."""
    findings = loader.load(tree).diagnostics
    return next(f"{one.place}: {one.message}" for one in findings if one.severity is Severity.ERROR)


def fits(live: Live, file: FileWork) -> bool:
    """Say whether a file asks for exactly what lies there."""
    return live.data == file.content and not any(attributes(replace(live, work=file)))


async def reach(
    case: Case, after: Declaration, adopted: Collection[str]
) -> tuple[tuple[str, ...], int]:
    """Say what else a change would change: further files of the pair, and how many other pairs."""
    now = await resolved(case, case.seen.declaration, None)
    then = await resolved(case, after, None)
    files = {} if case.key not in then else {one.path: one for one in then[case.key].work.files}
    also = tuple(
        one.path
        for one in case.pair.work.files
        if one.path not in adopted
        and (one.path not in files or files[one.path].content != one.content)
    )
    others = sum(
        1
        for key, one in now.items()
        if key != case.key and (key not in then or then[key].work.digest != one.work.digest)
    )
    return also, others


async def resolved(
    case: Case, declaration: Declaration, scope: Scope | None
) -> dict[PairKey, Pair]:
    """Render pairs; those of targets whose repo was not asked are left out."""
    found = await asyncio.to_thread(
        pairs.resolve, declaration, case.seen.sources, case.rooms.renderer, scope=scope
    )
    return {(one.target, one.server): one for one in found.pairs}
