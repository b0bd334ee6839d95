"""What is declared and observed as documents for programs, one function a kind; the same at the command line and over HTTP.

Pure. Called by the faces.
"""

from typing import Protocol

from controller.model.declaration import Declaration
from controller.model.diagnostic import Place
from controller.model.inventory import Carrier, Server
from controller.model.observation import ServerSeen
from controller.model.rollout import Rollout
from controller.model.safe_text import safe_text
from controller.model.schedule import Schedule
from controller.model.serving import Contact
from controller.reconcile.documents import iso, plain
from controller.reconcile.exchange.requests import Sightings


class World(Protocol):
    """What is declared, and what was last seen of it."""

    @property
    def declared(self) -> Declaration:
        """The declarations."""
        ...

    @property
    def seen(self) -> Sightings:
        """Everything last seen."""
        ...


def where(place: Place | None) -> str:
    """Say a place as file:line, "-" without one."""
    return f"{safe_text(place.file)}:{place.line}" if place is not None and place.file else "-"


def server_brief(world: World, name: str) -> dict[str, object]:
    """Give what a list of servers tells of each: how it is reached, and as last seen."""
    server: Server = world.declared.inventory.servers[name]
    seen = world.seen.servers.get(name)
    return {
        "kind": "server",
        "name": name,
        "address": server.address,
        "carrier": server.carrier.value,
        "ssh": plain(server.ssh),
        "agent": plain(server.agent) if server.carrier is Carrier.AGENT else None,
        "groups": list(server.groups),
        "labels": plain(server.labels),
        "active": server.active,
        "place": where(server.place),
        "observed": None if seen is None else seen_document(seen),
        "contact": contact_document(world.seen.contacts.get(name)),
    }


def server_document(world: World, name: str) -> dict[str, object]:
    """Give a server: declared, where each variable came from, and as last seen."""
    server: Server = world.declared.inventory.servers[name]
    return {
        **server_brief(world, name),
        "vars": plain(server.vars),
        "origins": {key: where(place) for key, place in server.origins.items()},
        "check": plain(server.check),
        "concurrency": server.concurrency,
        "targets": sorted(t.name for t in world.declared.targets.values() if name in t.members),
    }


def seen_document(seen: ServerSeen) -> dict[str, object]:
    """Give what was last seen of a server."""
    return {
        "at": iso(seen.at),
        "reached": seen.reached,
        "cause": plain(seen.cause),
        "message": seen.message,
        "login": seen.login,
        "root": seen.root,
        "limits": plain(seen.limits),
        "boot_id": seen.boot_id,
        "host": plain(seen.host),
        "markers": sorted(seen.markers),
    }


def contact_document(contact: Contact | None) -> object:
    """Give how a server was reached over time."""
    document = plain(contact)
    if not isinstance(document, dict):
        return None
    return {key: value for key, value in document.items() if key != "server"}


def repo_document(world: World, name: str) -> dict[str, object]:
    """Give a repo."""
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
        "webhook": repo.webhook,
        "verify": repo.verify,
        "active": repo.active,
        "place": where(repo.place),
        "observed": None if seen is None else plain(seen),
    }


def group_document(world: World, name: str) -> dict[str, object]:
    """Give a group."""
    group = world.declared.inventory.groups[name]
    fields = plain(group)
    body = fields if isinstance(fields, dict) else {}
    limit = None if group.max_unavailable is None else str(group.max_unavailable)
    return {"kind": "group", **body, "max_unavailable": limit, "place": where(group.place)}


def task_document(world: World, name: str) -> dict[str, object]:
    """Give a task."""
    task = world.declared.tasks[name]
    steps = [
        {
            "name": step.name,
            "run": step.run,
            "script": step.script,
            "uses": step.uses,
            "shell": step.shell,
            "env": plain(step.env),
            "needs": list(step.needs),
            "when": step.when,
            "user": step.user,
            "workdir": step.workdir,
            "timeout": step.timeout,
            "retries": plain(step.retry),
            "continue_on_error": step.continue_on_error,
            "idempotent": step.idempotent,
            "result": plain(step.result),
            "place": where(step.places.get("")),
        }
        for step in task.steps
    ]
    params = {
        param.name: {
            "schema": plain(param.schema),
            "default": None if param.secret else plain(param.default),
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
        "limits": plain(task.limits),
        "check": task.check,
        "checkout": None
        if task.checkout is None
        else {"path": task.checkout.path, "releases": task.checkout.releases},
        "files": [
            {
                "path": one.path,
                "from": one.template or one.source or "content",
                "owner": one.owner,
                "group": one.group,
                "mode": one.mode,
                "validate": one.validate,
                "backup": one.backup,
                "place": where(one.places.get("")),
            }
            for one in task.files
        ],
        "steps": steps,
        "revert": task.revert,
        "result": plain(task.result),
        "place": where(task.places.get("")),
    }


def target_brief(world: World, name: str) -> dict[str, object]:
    """Give what a list of targets tells of each; `pairs` counts its servers, and those on which it is applied."""
    target = world.declared.targets[name]
    records = world.seen.records
    applied = [records.get((name, member)) for member in target.members]
    return {
        "kind": "target",
        "name": name,
        "repo": target.repo,
        "servers": target.servers,
        "task": target.task,
        "on_commit": target.on_commit.value,
        "on_drift": target.on_drift.value,
        "schedule": None if target.schedule is None else schedule_document(target.schedule),
        "after": list(target.after),
        "priority": target.priority,
        "pairs": {
            "servers": len(target.members),
            "applied": sum(one is not None and one.applied is not None for one in applied),
        },
        "place": where(target.places.get("")),
    }


def target_document(world: World, name: str) -> dict[str, object]:
    """Give a target with what is applied where."""
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
        **target_brief(world, name),
        "paths": list(target.paths),
        "members": list(target.members),
        "params": plain(target.params),
        "on_remove": target.on_remove.value if target.undo is None else {"run": target.undo},
        "protect": target.protect,
        "rollout": None if target.rollout is None else rollout_document(target.rollout),
        "overlap": None if target.overlap is None else target.overlap.value,
        "approval": plain(target.approval),
        "windows": [
            {"allow": one.allow, "for": one.seconds, "timezone": one.timezone}
            for one in target.windows
        ],
        "when_offline": target.when_offline.value,
        "notify": list(target.notify),
        "suspended": plain(target.suspended),
        "was": target.was,
        "observed": records,
    }


def schedule_document(schedule: Schedule) -> dict[str, object]:
    """Give a schedule; `every` in seconds."""
    if schedule.cron is not None:
        return {"cron": schedule.cron, "timezone": schedule.timezone}
    return {"every": schedule.every, "anchor": iso(schedule.anchor)}


def notifier_document(world: World, name: str) -> dict[str, object]:
    """Give a notifier: names of secrets, never what they hold."""
    notifier = world.declared.notifiers[name]
    smtp = notifier.smtp
    return {
        "kind": "notifier",
        "name": name,
        "url": notifier.url,
        "sign": notifier.sign,
        "smtp": None
        if smtp is None
        else {
            "host": smtp.host,
            "port": smtp.port,
            "security": smtp.security.value,
            "user": smtp.user,
            "password": smtp.password,
            "from": smtp.sender,
            "to": list(smtp.recipients),
        },
        "exec": None if notifier.exec is None else list(notifier.exec),
        "events": sorted(notifier.events),
        "repeat": notifier.repeat,
        "place": where(notifier.place),
        "targets": sorted(t.name for t in world.declared.targets.values() if name in t.notify),
    }


def rule_document(world: World, name: str) -> dict[str, object]:
    """Give a rule of `access`."""
    rule = world.declared.access.rules[name]
    return {
        "kind": "access",
        "name": name,
        "role": rule.role.value,
        "targets": rule.targets,
        "servers": rule.servers,
        "rights": sorted(rule.rights),
        "place": where(rule.place),
    }


def rollout_document(rollout: Rollout) -> dict[str, object]:
    """Give a rollout; amounts as they are written, times in seconds."""
    return {
        "canary": rollout.canary,
        "batch": [str(amount) for amount in rollout.batches],
        "max_failures": str(rollout.max_failures),
        "pause": rollout.pause,
        "health": rollout.health,
        "confirm": rollout.confirm,
    }


def secret_document(world: World, name: str) -> dict[str, object]:
    """Give where a secret comes from, never its value."""
    secret = world.declared.secrets[name]
    return {
        "kind": "secret",
        "name": name,
        "source": {secret.kind.value: secret.source},
        "expires": secret.expires,
        "place": where(secret.place),
    }


def inventory_document(world: World, name: str) -> dict[str, object]:
    """Give an inventory of another tool, and the servers it gave."""
    inventory = world.declared.inventories[name]
    return {
        "kind": "inventory",
        "name": name,
        "tool": inventory.tool,
        "path": inventory.path,
        "servers": list(inventory.servers),
        "place": where(inventory.place),
    }
