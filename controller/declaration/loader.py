"""A tree of bytes -> one declaration, or every reason why not; the door of this room.

Called by `reconcile` and the faces for every revision. Finds the files (`files`), reads each by itself (`forms`), gathers
all blocks (`wishes`) and lets the rules of each kind resolve them. Nothing here touches a disk, a network or a clock.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from controller.declaration import files
from controller.declaration.access import build_access
from controller.declaration.adopted import Adopted, adopt
from controller.declaration.block import Block
from controller.declaration.deliveries import checkout_problems, read_blobs
from controller.declaration.dependencies import check_order
from controller.declaration.forms import Form, Forms, Role, read_forms
from controller.declaration.groups import ALL, UNGROUPED, Groups
from controller.declaration.memberships import build_groups
from controller.declaration.notifiers import build_notifiers
from controller.declaration.offered import check_offered
from controller.declaration.overlaps import check_overlaps
from controller.declaration.renames import check_renames
from controller.declaration.report import Report
from controller.declaration.repos import build_repos
from controller.declaration.rollouts import check_confirms
from controller.declaration.secrets import build_secrets, read_sealed
from controller.declaration.servers import Servers
from controller.declaration.settings import build_settings
from controller.declaration.targets import build_targets, check_approvals, check_suspensions
from controller.declaration.tasks import build_tasks, read_scripts
from controller.declaration.wishes import Wishes
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic, Place
from controller.model.inventory import Inventory
from controller.model.tree import Tree

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a tree says; `declaration` is None when any finding is an error."""

    declaration: Declaration | None
    diagnostics: tuple[Diagnostic, ...] = ()
    files: int = 0
    """How many files were read as declarations."""


def load(tree: Tree, *, forms: Forms | None = None, now: datetime | None = None) -> Loaded:
    """Read, check and resolve everything that a tree declares.

    Args:
        tree: the files of one commit or of a work tree.
        forms: a cache of files that were read before.
        now: lets it warn of times that have passed.
    """
    with _collector_paused():
        return _load(tree, forms, now)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector.

    What loading makes lives on and holds no cycles; going through all of it again and again would take longer than
    making it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(tree: Tree, forms: Forms | None, now: datetime | None) -> Loaded:
    findings = Report()
    wishes = Wishes(tree=tree, findings=findings)
    paths = files.declarations(tree.entries)
    if _too_much(tree, paths, findings):
        return Loaded(declaration=None, diagnostics=findings.sorted(), files=len(paths))
    if files.SETTINGS in tree.entries:
        for form in _taken(wishes, read_forms(tree, [files.SETTINGS], Role.SETTINGS, forms)):
            wishes.settings = next(iter(form.blocks), None)
    _refuse_left_out(tree, findings)
    settings = build_settings(wishes)
    for form in _taken(wishes, _without_adopted(wishes, _by_file(tree, paths, forms))):
        wishes.gather(form)
    secrets = build_secrets(wishes)
    adopted = adopt(wishes)
    inventory = _inventory(wishes, adopted, forms)
    repos = build_repos(wishes)
    scripts = read_scripts(wishes)
    blobs = read_blobs(wishes)
    sealed = read_sealed(wishes)
    tasks = build_tasks(wishes, scripts, blobs, settings.limits)
    targets = build_targets(wishes, inventory, tasks)
    for target in targets.values():
        if target.task in tasks:
            findings.extend(checkout_problems(target, tasks[target.task]))
    declaration = Declaration(
        settings=settings,
        repos=repos,
        inventory=inventory,
        tasks=tasks,
        targets=targets,
        secrets={**adopted.secrets, **secrets},
        scripts=scripts,
        blobs=blobs,
        sealed=sealed,
        inventories=adopted.inventories,
        notifiers=build_notifiers(wishes),
        access=build_access(wishes, inventory, targets),
    )
    _check_together(wishes, declaration, now)
    if not findings.valid:
        return Loaded(declaration=None, diagnostics=findings.sorted(), files=len(paths))
    return Loaded(declaration=declaration, diagnostics=findings.sorted(), files=len(paths))


def _check_together(wishes: Wishes, declaration: Declaration, now: datetime | None) -> None:
    """Apply the rules that look at several blocks at once."""
    targets = declaration.targets
    check_order(wishes, targets)
    check_confirms(wishes, targets, declaration.tasks)
    check_overlaps(wishes, targets, declaration.tasks)
    check_approvals(wishes, targets, declaration.settings)
    check_offered(wishes, targets, declaration.tasks, declaration.inventory)
    if now is not None:
        check_suspensions(wishes, targets, now)
    inventory = declaration.inventory
    known = {"servers": inventory.servers, "groups": inventory.groups}
    check_renames(wishes.findings, wishes.blocks, known)


def _too_much(tree: Tree, paths: tuple[str, ...], findings: Report) -> bool:
    size = sum(tree.entries[path].size for path in paths)
    if len(paths) <= MOST_FILES and size <= MOST_BYTES:
        return False
    findings.error(
        "too-many-files",
        f"cannot read {len(paths)} files of {size} bytes: at most {MOST_FILES} and {MOST_BYTES}",
        Place(file=paths[0]),
    )
    return True


def _refuse_left_out(tree: Tree, findings: Report) -> None:
    """Find fault with declarations that cannot be read: passed over, they would look as if they were removed."""
    for path, reason in sorted(tree.refused.items()):
        if files.may_declare(path):
            findings.error(
                "refused-file",
                f"cannot read {path}: {reason}",
                Place(file=path),
                "put a regular file in its place",
            )


def _by_file(tree: Tree, paths: tuple[str, ...], cache: Forms | None) -> list[Form]:
    return read_forms(tree, paths, Role.DECLARATIONS, cache)


def _taken(wishes: Wishes, forms: list[Form]) -> list[Form]:
    for form in forms:
        wishes.findings.extend(form.diagnostics)
    return forms


def _without_adopted(wishes: Wishes, forms: list[Form]) -> list[Form]:
    """Leave out the files that an entry of `inventories:` takes for another tool."""
    named = [block for form in forms for block in form.blocks if block.kind == "inventories"]
    taken = {
        files.taken_out(path): block
        for block in named
        if isinstance(path := block.data.get("ansible"), str)
    }
    if not taken:
        return forms
    for block in named:
        if files.is_taken(block.file, taken):
            wishes.findings.error(
                "inventory-inside-itself",
                f"cannot declare an inventory in {block.file}: the file belongs to an inventory",
                block.place,
                "declare it in a file outside that folder",
            )
    return [form for form in forms if not files.is_taken(form.file, taken)]


def _variables(wishes: Wishes, folder: str, cache: Forms | None) -> list[tuple[str, Block]]:
    """Read `group_vars` or `host_vars`; (name, variables) in the order in which they hold.

    The folders in `inventory/` belong to an adopted inventory that lies beside them, if there is one.
    """
    taken = [
        files.taken_out(cast("str", block.data["ansible"]))
        for block in wishes.of("inventories").values()
    ]
    beside = any(item.startswith("inventory/") and item.count("/") == 1 for item in taken)
    named = [
        (name, path)
        for name, path in files.variables(wishes.tree.entries, folder)
        if not files.is_taken(path, taken) and not (beside and path.startswith("inventory/"))
    ]
    forms = _taken(wishes, read_forms(wishes.tree, [p for _, p in named], Role.VARIABLES, cache))
    return [
        (name, block) for (name, _), form in zip(named, forms, strict=True) for block in form.blocks
    ]


def _inventory(wishes: Wishes, adopted: Adopted, cache: Forms | None) -> Inventory:
    group_files = _variables(wishes, "group_vars", cache)
    host_files = _variables(wishes, "host_vars", cache)
    graph = Groups(wishes, group_files)
    builder = Servers(wishes, graph, host_files)
    servers = builder.build()
    for name, server in adopted.servers.items():
        if name in servers:
            wishes.twice("servers", name, servers[name].place, server.place)
    groups = build_groups(wishes, graph, servers, adopted)
    known = {*groups, *adopted.groups, ALL, UNGROUPED}
    for name in sorted(servers.keys() & {*groups, ALL, UNGROUPED}):
        wishes.findings.warn(
            "name-of-both",
            f"{name} is a server and a group: patterns pick both",
            servers[name].place,
        )
    _warn_of_unused(wishes, group_files, known, "group")
    _warn_of_unused(wishes, host_files, {*servers, *adopted.servers}, "server")
    both = {**adopted.servers, **servers} if adopted.servers else servers
    return Inventory(servers=dict(sorted(both.items())) if adopted.servers else both, groups=groups)


def _warn_of_unused(
    wishes: Wishes, named: Iterable[tuple[str, Block]], known: set[str], what: str
) -> None:
    for name, block in named:
        if name not in known:
            wishes.findings.warn(
                "unused-variables",
                f"no {what} is called {name}: these variables go nowhere",
                Place(file=block.file),
            )
