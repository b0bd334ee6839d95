"""Waves of a target as declared, and the rule that what must be confirmed can be undone; called by `targets` and `loader`."""

from collections.abc import Mapping
from typing import cast

from controller.declaration.block import Block
from controller.declaration.quantities import amount
from controller.declaration.wishes import Wishes
from controller.model.amount import Amount
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE
from controller.model.rollout import Rollout
from controller.model.task import Task


def build_rollout(wishes: Wishes, block: Block) -> Rollout | None:
    """Build the waves of a target, None where none are declared."""
    if "rollout" not in block.data:
        return None
    data = cast("dict[str, object]", block.data["rollout"])
    confirm = data.get("confirm")
    return Rollout(
        canary=amount(data.get("canary", 0)).number,
        batches=_batches(data.get("batch", [])),
        max_failures=amount(data.get("max_failures", 0)),
        pause=wishes.duration(block, ("rollout", "pause"), data.get("pause", "0"), most="7d"),
        health=cast("str | None", data.get("health")),
        confirm=None
        if confirm is None
        else wishes.duration(block, ("rollout", "confirm"), confirm, least="1s", most="24h"),
    )


def _batches(written: object) -> tuple[Amount, ...]:
    return tuple(map(amount, written if isinstance(written, list) else [written]))


def check_confirms(
    wishes: Wishes, targets: Mapping[str, Target], tasks: Mapping[str, Task]
) -> None:
    """Report what must be confirmed and cannot be undone, and warn of a `revert` that nothing asks for."""
    used: dict[str, bool] = {}
    for target in targets.values():
        task = tasks.get(target.task)
        if task is None:
            continue
        asked = target.rollout is not None and target.rollout.confirm is not None
        used[task.name] = used.get(task.name, False) or asked
        if asked and task.revert is None:
            wishes.findings.error(
                "confirm-without-revert",
                f"cannot confirm {target.name}: its task {task.name} at "
                f"{task.places.get('', NOWHERE)} has no `revert`",
                target.places["rollout.confirm"],
                "say in the task's `revert` how its change is undone, or remove `confirm`",
            )
    for name, asked in used.items():
        if not asked and tasks[name].revert is not None:
            wishes.findings.warn(
                "revert-without-confirm",
                f"the `revert` of {name} never runs: no target with this task has `rollout.confirm`",
                tasks[name].places.get("revert") or tasks[name].places.get("", NOWHERE),
            )
