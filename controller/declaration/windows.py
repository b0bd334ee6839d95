"""When a target may run, as declared; called by `targets`, calls `crons` about lines and zones."""

from typing import cast

from controller.declaration.block import Block
from controller.declaration.crons import UTC_NAME, Crons
from controller.declaration.wishes import Wishes
from controller.model.rollout import Window


def build_windows(wishes: Wishes, crons: Crons, block: Block) -> tuple[Window, ...]:
    """Build the windows of a target; what is wrong with one is reported at its key."""
    windows: list[Window] = []
    for index, data in enumerate(cast("list[dict[str, str]]", block.data.get("windows", []))):
        at = ("windows", index)
        zone = data.get("timezone", UTC_NAME)
        crons.judge(block, at, "allow", data["allow"], zone)
        length = wishes.duration(block, (*at, "for"), data["for"], least="1m", most="366d")
        windows.append(Window(allow=data["allow"], seconds=length, timezone=zone))
    return tuple(windows)
