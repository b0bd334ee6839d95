"""The kinds `ctl get` shows: their names, columns and documents.

One table; a kind is one row of it. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from controller.cli.views.rows import (
    Document,
    Row,
    group_row,
    inventory_row,
    notifier_row,
    repo_row,
    rule_row,
    secret_row,
    server_row,
    status_cells,
    target_row,
    task_row,
)
from controller.cli.views.world import World
from controller.model.declaration import Declaration
from controller.reconcile.declared import (
    group_document,
    repo_document,
    server_brief,
    server_document,
)
from controller.reconcile.declared_kinds import (
    inventory_document,
    notifier_document,
    rule_document,
    secret_document,
)
from controller.reconcile.declared_work import target_brief, target_document, task_document

Write = Callable[[World, str], dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: `more` are the further columns of `-o wide`, `there` those that only a controller that stays fills, by `cells`.

    `document` tells everything of one thing, `brief` what its row needs, where that is less.
    """

    plural: str
    singular: str
    aliases: tuple[str, ...] = ()
    heads: tuple[str, ...]
    more: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    cells: Callable[[Document], tuple[str, ...]] = lambda _: ()
    pick: Callable[[Declaration], Mapping[str, object]]
    row: Row
    document: Write
    brief: Write | None = None

    def names(self, world: World) -> list[str]:
        """Give every declared name, in order."""
        return sorted(self.pick(world.declared))

    def line(self, world: World, name: str) -> Document:
        """Give what a row needs."""
        return (self.brief or self.document)(world, name)


KINDS: Final = {
    kind.plural: kind
    for kind in (
        Kind(
            plural="servers",
            singular="server",
            aliases=("srv",),
            heads=("NAME", "ADDRESS", "CARRIER", "GROUPS", "SEEN"),
            more=("LABELS", "USER", "PORT", "HOST", "LOGIN", "FLAPS", "DOWNTIME", "PLACE"),
            pick=lambda declared: declared.inventory.servers,
            row=server_row,
            document=server_document,
            brief=server_brief,
        ),
        Kind(
            plural="groups",
            singular="group",
            heads=("NAME", "SERVERS", "CHILDREN"),
            more=("VARS", "PLACE"),
            pick=lambda declared: declared.inventory.groups,
            row=group_row,
            document=group_document,
        ),
        Kind(
            plural="inventories",
            singular="inventory",
            heads=("NAME", "TOOL", "PATH", "SERVERS"),
            more=("PLACE",),
            pick=lambda declared: declared.inventories,
            row=inventory_row,
            document=inventory_document,
        ),
        Kind(
            plural="repos",
            singular="repo",
            heads=("NAME", "URL", "WATCHES", "COMMIT", "CHECKED", "STATUS"),
            more=("INTERVAL", "ACTIVE", "PLACE"),
            pick=lambda declared: declared.repos,
            row=repo_row,
            document=repo_document,
        ),
        Kind(
            plural="tasks",
            singular="task",
            heads=("NAME", "TITLE", "STEPS", "PARAMS", "CHECK"),
            more=("RESULT", "TIMEOUT", "PLACE"),
            pick=lambda declared: declared.tasks,
            row=task_row,
            document=task_document,
        ),
        Kind(
            plural="targets",
            singular="target",
            aliases=("tgt",),
            heads=("NAME", "REPO", "TASK", "SERVERS", "APPLIED"),
            more=("ON-COMMIT", "ON-DRIFT", "NEXT", "PLACE"),
            there=("SYNC", "HEALTH"),
            cells=status_cells,
            pick=lambda declared: declared.targets,
            row=target_row,
            document=target_document,
            brief=target_brief,
        ),
        Kind(
            plural="secrets",
            singular="secret",
            heads=("NAME", "KIND", "SOURCE", "EXPIRES"),
            more=("PLACE",),
            pick=lambda declared: declared.secrets,
            row=secret_row,
            document=secret_document,
        ),
        Kind(
            plural="notifiers",
            singular="notifier",
            heads=("NAME", "KIND", "EVENTS", "REPEAT"),
            more=("PLACE",),
            pick=lambda declared: declared.notifiers,
            row=notifier_row,
            document=notifier_document,
        ),
        Kind(
            plural="access",
            singular="access",
            heads=("NAME", "ROLE", "TARGETS", "SERVERS", "RIGHTS"),
            more=("PLACE",),
            pick=lambda declared: declared.access.rules,
            row=rule_row,
            document=rule_document,
        ),
    )
}
"""Every kind by its plural."""
