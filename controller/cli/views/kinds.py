"""The kinds `ctl get` shows: their names, columns and documents.

One table; a kind is one row of it. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.cli.dates import age, iso, span
from controller.cli.views.documents import plain
from controller.cli.views.words import short, where
from controller.model.declaration import Declaration, Repo, Target
from controller.model.inventory import Server
from controller.model.observation import ServerSeen
from controller.model.task import Task
from controller.reconcile.requests import Sightings


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything `get` may speak of."""

    declared: Declaration
    seen: Sightings
    now: datetime


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


def _reach(seen: ServerSeen | None, now: datetime) -> str:
    if seen is None:
        return "never seen"
    if seen.reached:
        return f"reached {age(seen.at, now)}"
    return f"not reached {age(seen.at, now)} ({seen.cause or 'unknown'})"


def _server_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    server = world.declared.inventory.servers[name]
    labels = ",".join(f"{key}={value}" for key, value in server.labels.items())
    row = (
        name,
        server.address,
        server.carrier.value,
        ",".join(server.groups) or "-",
        _reach(world.seen.servers.get(name), world.now),
    )
    more = (labels or "-", server.ssh.user or "-", str(server.ssh.port), where(server.place))
    return row + more if wide else row


def _server_document(world: World, name: str) -> dict[str, object]:
    server: Server = world.declared.inventory.servers[name]
    seen = world.seen.servers.get(name)
    origins = {key: where(place) for key, place in server.origins.items()}
    return {
        "kind": "server",
        "name": name,
        "address": server.address,
        "carrier": server.carrier.value,
        "ssh": plain(server.ssh),
        "groups": list(server.groups),
        "labels": plain(server.labels),
        "vars": plain(server.vars),
        "origins": origins,
        "concurrency": server.concurrency,
        "active": server.active,
        "place": where(server.place),
        "observed": None if seen is None else _seen_document(seen),
        "targets": sorted(t.name for t in world.declared.targets.values() if name in t.members),
    }


def _seen_document(seen: ServerSeen) -> dict[str, object]:
    return {
        "at": iso(seen.at),
        "reached": seen.reached,
        "cause": plain(seen.cause),
        "message": seen.message,
        "login": seen.login,
        "root": seen.root,
        "boot_id": seen.boot_id,
        "markers": sorted(seen.markers),
    }


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


def _repo_document(world: World, name: str) -> dict[str, object]:
    repo = world.declared.repos[name]
    seen = world.seen.repos.get(name)
    return {
        "kind": "repo",
        "name": name,
        "url": repo.url,
        repo.kind.value: repo.ref,
        "interval": repo.interval,
        "token": repo.token,
        "ssh_key": repo.ssh_key,
        "verify": repo.verify,
        "active": repo.active,
        "place": where(repo.place),
        "observed": None if seen is None else plain(seen),
    }


def _group_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    group = world.declared.inventory.groups[name]
    row = (name, str(len(group.servers)), ",".join(group.children) or "-")
    return (*row, ",".join(sorted(group.vars)) or "-", where(group.place)) if wide else row


def _group_document(world: World, name: str) -> dict[str, object]:
    group = world.declared.inventory.groups[name]
    fields = plain(group)
    body = fields if isinstance(fields, dict) else {}
    return {"kind": "group", **body, "place": where(group.place)}


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


def _task_document(world: World, name: str) -> dict[str, object]:
    task = world.declared.tasks[name]
    steps = [
        {
            "name": step.name,
            "run": step.run,
            "script": step.script,
            "needs": list(step.needs),
            "when": step.when,
            "user": step.user,
            "workdir": step.workdir,
            "timeout": step.timeout,
            "place": where(step.places.get("")),
        }
        for step in task.steps
    ]
    params = {
        param.name: {
            "schema": plain(param.schema),
            "required": param.required,
            "secret": param.secret,
        }
        for param in task.params.values()
    }
    return {
        "kind": "task",
        "name": name,
        "title": task.title,
        "params": params,
        "env": plain(task.env),
        "secrets": plain(task.secrets),
        "user": task.user,
        "workdir": task.workdir,
        "timeout": task.timeout,
        "check": task.check,
        "steps": steps,
        "result": plain(task.result),
        "place": where(task.places.get("")),
    }


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
    policy = (target.on_commit.value, target.on_drift.value, where(target.places.get("")))
    return row + policy if wide else row


def _target_document(world: World, name: str) -> dict[str, object]:
    target = world.declared.targets[name]
    records = {
        member: {
            "applied": record.applied,
            "commit": record.commit,
            "config_commit": record.config_commit,
            "at": iso(record.at),
            "by": record.by,
            "run": record.run,
        }
        for member in target.members
        if (record := world.seen.records.get((name, member)))
    }
    return {
        "kind": "target",
        "name": name,
        "repo": target.repo,
        "paths": list(target.paths),
        "servers": target.servers,
        "members": list(target.members),
        "task": target.task,
        "params": plain(target.params),
        "on_commit": target.on_commit.value,
        "on_drift": target.on_drift.value,
        "on_remove": target.on_remove.value,
        "place": where(target.places.get("")),
        "observed": records,
    }


def _secret_row(world: World, name: str, wide: bool) -> tuple[str, ...]:
    secret = world.declared.secrets[name]
    row = (name, secret.kind.value, secret.source, secret.expires or "-")
    return (*row, where(secret.place)) if wide else row


def _secret_document(world: World, name: str) -> dict[str, object]:
    secret = world.declared.secrets[name]
    return {
        "kind": "secret",
        "name": name,
        "source": {secret.kind.value: secret.source},
        "expires": secret.expires,
        "place": where(secret.place),
    }


KINDS: Final = {
    kind.plural: kind
    for kind in (
        Kind(
            plural="servers",
            singular="server",
            aliases=("srv",),
            heads=("NAME", "ADDRESS", "CARRIER", "GROUPS", "SEEN"),
            more=("LABELS", "USER", "PORT", "PLACE"),
            pick=lambda declared: declared.inventory.servers,
            row=_server_row,
            document=_server_document,
        ),
        Kind(
            plural="groups",
            singular="group",
            heads=("NAME", "SERVERS", "CHILDREN"),
            more=("VARS", "PLACE"),
            pick=lambda declared: declared.inventory.groups,
            row=_group_row,
            document=_group_document,
        ),
        Kind(
            plural="repos",
            singular="repo",
            heads=("NAME", "URL", "WATCHES", "COMMIT", "CHECKED", "STATUS"),
            more=("INTERVAL", "ACTIVE", "PLACE"),
            pick=lambda declared: declared.repos,
            row=_repo_row,
            document=_repo_document,
        ),
        Kind(
            plural="tasks",
            singular="task",
            heads=("NAME", "TITLE", "STEPS", "PARAMS", "CHECK"),
            more=("RESULT", "TIMEOUT", "PLACE"),
            pick=lambda declared: declared.tasks,
            row=_task_row,
            document=_task_document,
        ),
        Kind(
            plural="targets",
            singular="target",
            aliases=("tgt",),
            heads=("NAME", "REPO", "TASK", "SERVERS", "APPLIED"),
            more=("ON-COMMIT", "ON-DRIFT", "PLACE"),
            pick=lambda declared: declared.targets,
            row=_target_row,
            document=_target_document,
        ),
        Kind(
            plural="secrets",
            singular="secret",
            heads=("NAME", "KIND", "SOURCE", "EXPIRES"),
            more=("PLACE",),
            pick=lambda declared: declared.secrets,
            row=_secret_row,
            document=_secret_document,
        ),
    )
}
"""Every kind by its plural."""
