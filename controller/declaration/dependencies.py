"""`after`: which targets go first, every one of them declared and none waiting for itself; called by `loader`."""

from collections.abc import Mapping
from typing import Final

from controller.declaration.cycles import cycles
from controller.declaration.wishes import Wishes
from controller.model.declaration import Target

SHOWN: Final = 50
"""Names of one cycle that are told."""


def check_order(wishes: Wishes, targets: Mapping[str, Target]) -> None:
    """Report every `after` that names no target, and every cycle once, at the target on it that comes first."""
    for target in targets.values():
        for index, name in enumerate(target.after):
            wishes.refer("targets", name, target.places[f"after.{index}"])
    for cycle in cycles({name: target.after for name, target in targets.items()}):
        first = targets[cycle[0]]
        following = cycle[1 % len(cycle)]
        ring = [*cycle, cycle[0]] if len(cycle) <= SHOWN else [*cycle[:SHOWN], "..."]
        wishes.findings.error(
            "target-cycle",
            f"cannot put these targets in an order: {' after '.join(ring)}",
            first.places[f"after.{first.after.index(following)}"],
            "take one of them out of `after`",
        )
