"""Targets: every name resolved, the pattern matched, the parameters complete; called by `loader`."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from controller.declaration.block import Block
from controller.declaration.crons import Crons
from controller.declaration.params import given
from controller.declaration.patterns import read_pattern
from controller.declaration.quantities import instant
from controller.declaration.rollouts import build_rollout
from controller.declaration.schedules import build_schedule
from controller.declaration.windows import build_windows
from controller.declaration.wishes import Wishes
from controller.model.declaration import OnCommit, OnDrift, OnRemove, Settings, Target
from controller.model.diagnostic import Place
from controller.model.inventory import Inventory
from controller.model.rollout import ApprovalRule, Suspended, WhenOffline
from controller.model.schedule import Overlap, Schedule
from controller.model.task import Task


def build_targets(
    wishes: Wishes, inventory: Inventory, tasks: Mapping[str, Task]
) -> dict[str, Target]:
    """Build every target in order of name."""
    blocks = wishes.of("targets")
    crons = Crons(wishes)
    targets: dict[str, Target] = {}
    for name in sorted(blocks):
        if wishes.complete(blocks[name]):
            targets[name] = _target(wishes, blocks[name], inventory, tasks, crons)
    return targets


def _target(
    wishes: Wishes,
    block: Block,
    inventory: Inventory,
    tasks: Mapping[str, Task],
    crons: Crons,
) -> Target:
    data = block.data
    task = cast("str", data["task"])
    params: dict[str, object] = {}
    if wishes.refer("tasks", task, block.where("task", value=True)) and task in tasks:
        params = given(wishes, tasks[task].params, block)
    repo = cast("str | None", data.get("repo"))
    if repo is not None:
        wishes.refer("repos", repo, block.where("repo", value=True))
    elif "paths" in data:
        wishes.findings.error(
            "paths-without-repo",
            "cannot watch paths without a repo",
            block.where("paths"),
            "name the repo, or remove paths",
        )
    on_remove, undo = _on_remove(wishes, block)
    schedule = build_schedule(wishes, crons, block)
    return Target(
        name=block.name,
        task=task,
        servers=cast("str", data["servers"]),
        members=read_pattern(wishes, block, inventory),
        repo=repo,
        paths=tuple(cast("list[str]", data.get("paths", []))),
        params=params,
        on_commit=_on_commit(block, schedule),
        on_drift=OnDrift(cast("str", data.get("on_drift", OnDrift.REPORT))),
        on_remove=on_remove,
        undo=undo,
        protect=data.get("protect") is True,
        rollout=build_rollout(wishes, block),
        schedule=schedule,
        overlap=_overlap(wishes, block),
        approval=_approval(block),
        windows=build_windows(wishes, crons, block),
        when_offline=WhenOffline(cast("str", data.get("when_offline", WhenOffline.QUEUE))),
        after=tuple(cast("list[str]", data.get("after", []))),
        priority=int(cast("int", data.get("priority", 0))),
        notify=_notify(wishes, block),
        suspended=_suspended(wishes, block),
        was=cast("str | None", block.own.get("was")),
        places=_places(block),
    )


def _on_commit(block: Block, schedule: Schedule | None) -> OnCommit:
    """What only the clock brings about is not run by a change of its declaration, unless it says so."""
    by_clock = schedule is not None and "repo" not in block.data
    usual = OnCommit.IGNORE if by_clock else OnCommit.APPLY
    return OnCommit(cast("str", block.data.get("on_commit", usual)))


def _overlap(wishes: Wishes, block: Block) -> Overlap | None:
    if "overlap" not in block.data:
        return None
    if "overlap" in block.own and "schedule" not in block.data:
        wishes.findings.warn(
            "overlap-without-schedule",
            f"the overlap of {block.name} says nothing: only due times of a schedule overlap",
            block.where("overlap"),
            "remove it, or add a schedule; a change of inputs always waits for the run before",
        )
    return Overlap(cast("str", block.data["overlap"]))


def _notify(wishes: Wishes, block: Block) -> tuple[str, ...]:
    names = tuple(cast("list[str]", block.data.get("notify", [])))
    for index, name in enumerate(names):
        wishes.refer("notifiers", name, block.where("notify", index, value=True))
    return names


def _on_remove(wishes: Wishes, block: Block) -> tuple[OnRemove, str | None]:
    written = block.data.get("on_remove", OnRemove.FORGET)
    if isinstance(written, str):
        return OnRemove(written), None
    undo = cast("dict[str, str]", written)["run"]
    wishes.refer("tasks", undo, block.where("on_remove", "run", value=True))
    return OnRemove.RUN, undo


def _approval(block: Block) -> ApprovalRule | None:
    if "approval" not in block.data:
        return None
    data = cast("dict[str, object]", block.data["approval"])
    return ApprovalRule(
        required=int(cast("int", data.get("required", 1))),  # 2.0 is a whole number to a schema
        not_author=data.get("not_author") is True,
    )


def _suspended(wishes: Wishes, block: Block) -> Suspended | None:
    if "suspended" not in block.data:
        return None
    data = cast("dict[str, str]", block.data["suspended"])
    until = None
    if "until" in data:
        try:
            until = instant(data["until"])
        except ValueError:
            wishes.findings.error(
                "wrong-value",
                f"cannot use {data['until']} as `suspended.until`: there is no such day or time",
                block.where("suspended", "until", value=True),
            )
    return Suspended(reason=data["reason"], until=until)


def check_approvals(wishes: Wishes, targets: Mapping[str, Target], settings: Settings) -> None:
    """Report targets that need more approvals than there are people who may give one."""
    most = len(settings.approvers)
    for target in targets.values():
        needed = target.approval.required if target.approval is not None else 0
        if most and needed > most:
            wishes.findings.error(
                "too-few-approvers",
                f"cannot ask for {needed} approvals: settings.approvers names {most}",
                target.places.get("approval.required", target.places["approval"]),
                "ask for fewer, or add approvers in ctl.yaml",
            )


def check_suspensions(wishes: Wishes, targets: Mapping[str, Target], now: datetime) -> None:
    """Warn of suspensions that are over."""
    for target in targets.values():
        until = target.suspended.until if target.suspended is not None else None
        if until is not None and until <= now:
            wishes.findings.warn(
                "suspension-over",
                f"the suspension of {target.name} ended at {until:%Y-%m-%d %H:%M} UTC",
                target.places["suspended.until"],
                "remove `suspended`, or give it a later `until`",
            )


def _places(block: Block) -> dict[str, Place]:
    places = {"": block.place}
    for key, value in block.data.items():
        places[key] = block.where(key)
        if isinstance(value, dict | list):
            inner = value if isinstance(value, dict) else range(len(value))
            places |= {f"{key}.{name}": block.where(key, name) for name in inner}
    return places
