"""First steps: which configuration is asked for, and what it declares."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

from controller.declaration import loader
from controller.declaration.suggest import among
from controller.errors import NotFoundError, UsageError
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.inventory import Inventory
from controller.model.scope import Scope
from controller.model.selector import SelectorError, match, parse, unknown
from controller.model.tree import Tree
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.exchange.progress import Progress, Stage
from controller.reconcile.rooms import Loaded, Rooms
from controller.reconcile.walk.seen import Seen


async def see_config(rooms: Rooms, seen: Seen) -> Seen:
    """Find the commit of the config repository that is asked for, and whether the work tree differs from it.

    Under `serve` what is in force is asked for, unless a commit is named.
    """
    loaded = in_force(rooms, seen)
    if loaded is not None:
        return replace(seen, revision=loaded.revision, dirty=())
    if seen.request.at is not None:
        sha = rooms.config.resolve(seen.request.at)
        return replace(seen, revision=rooms.config.revision(sha))
    return replace(seen, revision=rooms.config.head(), dirty=rooms.config.dirty())


async def load(rooms: Rooms, seen: Seen) -> Seen:
    """Turn the files into a declaration, and the filters into a scope.

    Raises:
        InvalidDeclarationError: the files hold errors.
    """
    kept = in_force(rooms, seen)
    if kept is not None:
        return replace(
            seen,
            tree=kept.tree,
            declaration=kept.declaration,
            diagnostics=kept.diagnostics,
            scope=scope_of(
                kept.declaration, seen, await known_targets(rooms, seen, kept.declaration)
            ),
            reach=kept.reach,
        )
    rooms.listener(Progress(stage=Stage.LOAD, subject=str(rooms.config.root)))
    tree = tree_of(rooms, seen)
    loaded = loader.load(tree, forms=rooms.forms, now=rooms.clock.now())
    if loaded.declaration is None:
        raise InvalidDeclarationError(loaded.diagnostics, named_files(tree, loaded.diagnostics))
    declaration = loaded.declaration
    return replace(
        seen,
        tree=tree,
        declaration=declaration,
        diagnostics=loaded.diagnostics,
        scope=scope_of(declaration, seen, await known_targets(rooms, seen, declaration)),
        reach=rooms.reach(declaration, known_hosts(tree, declaration)),
    )


def in_force(rooms: Rooms, seen: Seen) -> Loaded | None:
    """Give what was read before and is in force; None by hand, and where a commit is named."""
    return None if seen.request.at is not None else rooms.in_force()


def tree_of(rooms: Rooms, seen: Seen) -> Tree:
    """Give the files that are asked for: what is in force, of a commit, or of the work tree."""
    kept = in_force(rooms, seen)
    if kept is not None:
        return kept.tree
    if seen.request.at is not None and seen.revision is not None:
        return rooms.config.tree(seen.revision.sha)
    return rooms.config.work_tree()


def named_files(tree: Tree, diagnostics: tuple[Diagnostic, ...]) -> dict[str, bytes]:
    """Read the files that findings name, for frames of code around them."""
    names = {finding.place.file for finding in diagnostics} & tree.entries.keys()
    return dict(tree.read(sorted(names)))


def known_hosts(tree: Tree, declaration: Declaration) -> bytes:
    """Read the pinned host keys, nothing where there are none yet."""
    path = str(PurePosixPath(declaration.settings.known_hosts))
    return tree.read([path])[path] if path in tree.entries else b""


async def known_targets(rooms: Rooms, seen: Seen, declaration: Declaration) -> set[str]:
    """Give the names that `--target` may say: what is declared, and what is still known although its block is gone."""
    declared = set(declaration.targets)
    if declared.issuperset(seen.request.targets):
        return declared
    return declared | await rooms.store.records.targets()


def scope_of(declaration: Declaration, seen: Seen, known: Collection[str]) -> Scope:
    """Turn `-l` and `--target` into names.

    Raises:
        NotFoundError: a target or a word of the selector does not exist.
        UsageError: the selector cannot be read.
    """
    for name in seen.request.targets:
        if name not in known:
            names = ", ".join(sorted(declaration.targets)) or "none"
            raise NotFoundError(f"there is no target {name!r}", hint=f"declared targets: {names}")
    targets = frozenset(seen.request.targets) or None
    if seen.request.limit is None:
        return Scope(targets=targets)
    picked = select(seen.request.limit, declaration.inventory)
    return Scope(servers=frozenset(picked), targets=targets)


def select(text: str, inventory: Inventory) -> tuple[str, ...]:
    """Say which servers a person means.

    Raises:
        NotFoundError: a word names neither a server nor a group.
        UsageError: the selector cannot be read.
    """
    try:
        selector = parse(text)
    except SelectorError as error:
        raise UsageError(f"cannot select servers by {text!r}: {error}") from error
    for term in unknown(selector, inventory):
        names = [*inventory.groups, *inventory.servers]
        raise NotFoundError(
            f"cannot find a server or group {term.word!r}",
            hint=among(term.word, names, what="server or group"),
        )
    return match(selector, inventory)
