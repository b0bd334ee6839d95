"""Tasks and targets as documents for programs; the same at the command line and over HTTP.

Pure. Called by the faces.
"""

from controller.model.files import FileSpec
from controller.model.rollout import Rollout
from controller.model.schedule import Schedule
from controller.model.task import Param, Step
from controller.reconcile.declared import World, where
from controller.reconcile.documents import iso, plain


def task_document(world: World, name: str) -> dict[str, object]:
    """Give a task."""
    task = world.declared.tasks[name]
    checkout = task.checkout
    return {
        "kind": "task",
        "name": name,
        "title": task.title,
        "params": {param.name: _param(param) for param in task.params.values()},
        "env": plain(task.env),
        "secrets": plain(task.secrets),
        "user": task.user,
        "workdir": task.workdir,
        "timeout": task.timeout,
        "limits": plain(task.limits),
        "check": task.check,
        "checkout": None
        if checkout is None
        else {"path": checkout.path, "releases": checkout.releases},
        "files": [_file(one) for one in task.files],
        "steps": [_step(step) for step in task.steps],
        "revert": task.revert,
        "result": plain(task.result),
        "place": where(task.places.get("")),
    }


def _param(param: Param) -> dict[str, object]:
    return {
        "schema": plain(param.schema),
        "default": None if param.secret else plain(param.default),
        "required": param.required,
        "secret": param.secret,
    }


def _file(one: FileSpec) -> dict[str, object]:
    return {
        "path": one.path,
        "from": one.template or one.source or "content",
        "owner": one.owner,
        "group": one.group,
        "mode": one.mode,
        "validate": one.validate,
        "backup": one.backup,
        "place": where(one.places.get("")),
    }


def _step(step: Step) -> dict[str, object]:
    return {
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
