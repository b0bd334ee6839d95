"""The kinds `ctl get` shows: their names, columns and documents.

One table; a kind is one row of it. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.cli.dates import age, span
from controller.cli.views.declared import (
    group_document,
    inventory_document,
    notifier_document,
    repo_document,
    rule_document,
    secret_document,
    server_document,
    target_document,
    task_document,
)
from controller.cli.views.host import host_text
from controller.cli.views.words import short, where
from controller.cli.views.world import World
from controller.model.declaration import Declaration, Repo, Target
from controller.model.inventory import Carrier, Server
from controller.model.observation import ServerSeen
from controller.model.serving import Contact
from controller.model.task import Task
from controller.planning.schedules import next_due

Row = Callable[[World, str, bool], tuple[str, ...]]
Document = Callable[[World, str], dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: `more` are the further columns of `-o wide`."""

    plural: str
    singular: str
    aliases: tuple[str, ...] = ()
    heads: tuple[str, ...]
    more: tuple[str, ...] = ()
    pick: Callable[[Declaration], Mapping[str, object]]
    row: Row
    document: Document

    def names(self, world: World) -> list[str]:
        """Give every declared name, in order."""
        return sorted(self.pick(world.declared))


def _reach(seen: ServerSeen | None, contact: Contact | None, now: datetime) -> str:
    if contact is not None and (seen is None or contact.checked_at >= seen.at):
        return _reached(contact, now)
    if seen is None:
        return "never seen"
    if seen.reached:
        return f"reached {age(seen.at, now)}"
    return f"not reached {age(seen.at, now)} ({seen.cause or 'unknown'})"


def _reached(contact: Contact, now: datetime) -> str:
    """Say how a controller that stays reached a server last."""
    checked = age(contact.checked_at, now)
    if contact.reached:
        return f"reached {checked}"
    cause = contact.cause or "unknown"
    if contact.down:
        return f"down since {age(contact.since, now)} ({cause})"
    return f"not reached {checked} ({cause}), tried again"


def _times(contact: Contact | None, now: datetime) -> tuple[str, str, str]:
    """Say when a server last let us in, how often that changed of late, and how long it was down in all."""
    if contact is None:
        return "-", "-", "-"
    login = "never" if contact.login_at is None else age(contact.login_at, now)
    lasts = (now - contact.since).total_seconds() if contact.down else 0.0
    return login, str(len(contact.flaps)), span(contact.down_seconds + max(0.0, lasts))


def _server_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    server = world.declared.inventory.servers[name]
    contact = world.seen.contacts.get(name)
    labels = ",".join(f"{key}={value}" for key, value in server.labels.items())
    row = (
        name,
        server.address,
        server.carrier.value,
        ",".join(server.groups) or "-",
        _reach(world.seen.servers.get(name), contact, world.now),
    )
    seen = world.seen.servers.get(name)
    host = host_text(seen.host) if seen is not None and seen.host is not None else "-"
    times = _times(contact, world.now)
    more = (labels or "-", *_door(server), host, *times, where(server.place))
    return row + more if wide else row


def _door(server: Server) -> tuple[str, str]:
    """Say the user and the port that are dialled; agents are nobody's login, and some dial by themselves."""
    if server.carrier is Carrier.AGENT:
        return "-", str(server.agent.port)
    if server.carrier is Carrier.PULL:
        return "-", "-"
    return server.ssh.user or "-", str(server.ssh.port)


def _repo_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    repo: Repo = world.declared.repos[name]
    seen = world.seen.repos.get(name)
    row = (
        name,
        repo.url,
        f"{repo.kind} {repo.ref}",
        short(seen.accepted) if seen else "-",
        age(seen.checked_at, world.now) if seen and seen.checked_at else "never",
        (seen.error_code or "error") if seen and seen.error else "ok" if seen else "-",
    )
    return (*row, span(repo.interval), str(repo.active).lower(), where(repo.place)) if wide else row


def _group_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    group = world.declared.inventory.groups[name]
    row = (name, str(len(group.servers)), ",".join(group.children) or "-")
    return (*row, ",".join(sorted(group.vars)) or "-", where(group.place)) if wide else row


def _inventory_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    inventory = world.declared.inventories[name]
    row = (name, inventory.tool, inventory.path, str(len(inventory.servers)))
    return (*row, where(inventory.place)) if wide else row


def _task_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    task: Task = world.declared.tasks[name]
    row = (
        name,
        task.title or "-",
        ",".join(step.name for step in task.steps) or "-",
        ",".join(task.params) or "-",
        "yes" if task.check else "no",
    )
    return (
        (*row, task.result.type.value, span(task.timeout), where(task.places.get("")))
        if wide
        else row
    )


def _target_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    target: Target = world.declared.targets[name]
    applied = sum(
        1
        for member in target.members
        if (record := world.seen.records.get((name, member))) and record.applied
    )
    row = (
        name,
        target.repo or "-",
        target.task,
        target.servers,
        f"{applied}/{len(target.members)}",
    )
    due = None if target.schedule is None else next_due(target.schedule, world.now)
    policy = (
        target.on_commit.value,
        target.on_drift.value,
        "-" if due is None else f"{due:%Y-%m-%d %H:%M} UTC",
        where(target.places.get("")),
    )
    return row + policy if wide else row


def _notifier_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    notifier = world.declared.notifiers[name]
    repeat = "-" if notifier.repeat is None else span(notifier.repeat)
    row = (name, notifier.kind.value, ",".join(sorted(notifier.events)), repeat)
    return (*row, where(notifier.place)) if wide else row


def _rule_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    rule = world.declared.access.rules[name]
    rights = ",".join(sorted(rule.rights)) or "-"
    row = (name, rule.role.value, rule.targets or "*", rule.servers or "*", rights)
    return (*row, where(rule.place)) if wide else row


def _secret_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    secret = world.declared.secrets[name]
    row = (name, secret.kind.value, secret.source, secret.expires or "-")
    return (*row, where(secret.place)) if wide else row


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
            row=_server_row,
            document=server_document,
        ),
        Kind(
            plural="groups",
            singular="group",
            heads=("NAME", "SERVERS", "CHILDREN"),
            more=("VARS", "PLACE"),
            pick=lambda declared: declared.inventory.groups,
            row=_group_row,
            document=group_document,
        ),
        Kind(
            plural="inventories",
            singular="inventory",
            heads=("NAME", "TOOL", "PATH", "SERVERS"),
            more=("PLACE",),
            pick=lambda declared: declared.inventories,
            row=_inventory_row,
            document=inventory_document,
        ),
        Kind(
            plural="repos",
            singular="repo",
            heads=("NAME", "URL", "WATCHES", "COMMIT", "CHECKED", "STATUS"),
            more=("INTERVAL", "ACTIVE", "PLACE"),
            pick=lambda declared: declared.repos,
            row=_repo_row,
            document=repo_document,
        ),
        Kind(
            plural="tasks",
            singular="task",
            heads=("NAME", "TITLE", "STEPS", "PARAMS", "CHECK"),
            more=("RESULT", "TIMEOUT", "PLACE"),
            pick=lambda declared: declared.tasks,
            row=_task_row,
            document=task_document,
        ),
        Kind(
            plural="targets",
            singular="target",
            aliases=("tgt",),
            heads=("NAME", "REPO", "TASK", "SERVERS", "APPLIED"),
            more=("ON-COMMIT", "ON-DRIFT", "NEXT", "PLACE"),
            pick=lambda declared: declared.targets,
            row=_target_row,
            document=target_document,
        ),
        Kind(
            plural="secrets",
            singular="secret",
            heads=("NAME", "KIND", "SOURCE", "EXPIRES"),
            more=("PLACE",),
            pick=lambda declared: declared.secrets,
            row=_secret_row,
            document=secret_document,
        ),
        Kind(
            plural="notifiers",
            singular="notifier",
            heads=("NAME", "KIND", "EVENTS", "REPEAT"),
            more=("PLACE",),
            pick=lambda declared: declared.notifiers,
            row=_notifier_row,
            document=notifier_document,
        ),
        Kind(
            plural="access",
            singular="access",
            heads=("NAME", "ROLE", "TARGETS", "SERVERS", "RIGHTS"),
            more=("PLACE",),
            pick=lambda declared: declared.access.rules,
            row=_rule_row,
            document=rule_document,
        ),
    )
}
"""Every kind by its plural."""
