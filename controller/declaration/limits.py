"""`limits` of a task, or of all tasks in the settings; called by `tasks` and `settings`."""

from collections.abc import Mapping
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.quantities import processors, size
from controller.declaration.wishes import Wishes
from controller.model.task import Limits

LEAST: Final[Mapping[str, str]] = {"memory": "1M", "io": "4K"}
"""With less nothing starts: a shell alone takes most of a megabyte, and disks move pages."""
MOST: Final = "1024T"


def build_limits(wishes: Wishes, block: Block, *, under: Limits | None = None) -> Limits:
    """Build the limits of a block; a size with which nothing could run, or that no machine has, is an error.

    Args:
        wishes: takes the findings.
        block: a task, or the settings.
        under: the limits that hold where the block names none.
    """
    data = cast("dict[str, object]", block.data.get("limits", {}))
    under = under or Limits()
    return Limits(
        cpu=processors(data["cpu"]) if "cpu" in data else under.cpu,
        memory=_size(wishes, block, "memory", data) or under.memory,
        # 100.0 is a whole number to a schema
        pids=int(cast("int", data["pids"])) if "pids" in data else under.pids,
        io=_size(wishes, block, "io", data) or under.io,
    )


def _size(wishes: Wishes, block: Block, key: str, data: Mapping[str, object]) -> int | None:
    text = data.get(key)
    if not isinstance(text, str):
        return None
    value = size(text)
    if not size(LEAST[key]) <= value <= size(MOST):
        wishes.findings.error(
            "wrong-value",
            f"cannot use {text} as `limits.{key}`: expected {LEAST[key]} to {MOST}",
            block.where("limits", key, value=True),
        )
    return value
