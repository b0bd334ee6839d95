"""Targets: every name resolved, the pattern matched, the parameters complete; called by `loader`."""

from collections.abc import Mapping
from typing import cast

from controller.declaration.block import Block
from controller.declaration.params import given
from controller.declaration.suggest import among
from controller.declaration.wishes import Wishes
from controller.model.declaration import OnCommit, OnDrift, Target
from controller.model.diagnostic import Place
from controller.model.inventory import Inventory
from controller.model.selector import SelectorError, match, parse, unknown
from controller.model.task import Task


def build_targets(
    wishes: Wishes, inventory: Inventory, tasks: Mapping[str, Task]
) -> dict[str, Target]:
    """Build every target in order of name."""
    blocks = wishes.of("targets")
    targets: dict[str, Target] = {}
    for name in sorted(blocks):
        if wishes.complete(blocks[name]):
            targets[name] = _target(wishes, blocks[name], inventory, tasks)
    return targets


def _target(
    wishes: Wishes, block: Block, inventory: Inventory, tasks: Mapping[str, Task]
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
    return Target(
        name=block.name,
        task=task,
        servers=cast("str", data["servers"]),
        members=_members(wishes, block, inventory),
        repo=repo,
        paths=tuple(cast("list[str]", data.get("paths", []))),
        params=params,
        on_commit=OnCommit(cast("str", data.get("on_commit", OnCommit.APPLY))),
        on_drift=OnDrift(cast("str", data.get("on_drift", OnDrift.REPORT))),
        places=_places(block),
    )


def _members(wishes: Wishes, block: Block, inventory: Inventory) -> tuple[str, ...]:
    text = cast("str", block.data["servers"])
    place = block.where("servers", value=True)
    try:
        selector = parse(text)
    except SelectorError as error:
        wishes.findings.error(
            "bad-pattern", f"{error} (column {error.column} of the pattern)", place
        )
        return ()
    missing = unknown(selector, inventory) if wishes.all_servers_known else ()
    for term in missing:
        wishes.findings.error(
            "unknown-server",
            f"cannot find a server or group {term.word[:60]}",
            place,
            among(term.word, [*inventory.groups, *inventory.servers], what="server or group"),
        )
    members = match(selector, inventory)
    if not members and not missing and wishes.all_servers_known:
        wishes.findings.warn(
            "no-servers", f"the pattern {text[:60]} picks no server", place, "nothing will run"
        )
    return members


def _places(block: Block) -> dict[str, Place]:
    places = {"": block.place}
    for key, value in block.data.items():
        places[key] = block.where(key)
        if key == "params" and isinstance(value, dict):
            places |= {f"params.{name}": block.where(key, name) for name in value}
    return places
