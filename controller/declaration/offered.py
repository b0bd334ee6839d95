"""Scripts that servers offer themselves, and targets that run them where nobody offers any; called by `loader`."""

from collections.abc import Iterator, Mapping

from controller.declaration.wishes import Wishes
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE
from controller.model.inventory import Carrier, Inventory
from controller.model.task import Step, Task
from controller.model.work import OFFERED


def check_offered(
    wishes: Wishes, targets: Mapping[str, Target], tasks: Mapping[str, Task], inventory: Inventory
) -> None:
    """Report every step that runs a server's own script on a server without an agent; once a step and target."""
    for target in targets.values():
        without = [name for name in target.members if not _has_agent(inventory, name)]
        if not without:
            continue
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        for step in _steps(target, tasks):
            wishes.findings.error(
                "needs-agent",
                f"cannot run {step.uses} for target {target.name} on {without[0]}{more}: "
                "only a server with an agent offers scripts",
                step.places.get("uses") or step.places.get("", NOWHERE),
                "ctl agent install --on SERVER, then declare agent: {} or pull: {}",
            )


def _has_agent(inventory: Inventory, name: str) -> bool:
    return inventory.servers[name].carrier in {Carrier.AGENT, Carrier.PULL}


def _steps(target: Target, tasks: Mapping[str, Task]) -> Iterator[Step]:
    """List the steps of a target, and of its undo, that run a server's own script."""
    for name in (target.task, target.undo):
        task = tasks.get(name or "")
        for step in task.steps if task is not None else ():
            if step.uses is not None and step.uses.startswith(OFFERED):
                yield step
