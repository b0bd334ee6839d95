"""When a target runs by the clock, as declared; called by `targets`, calls `crons` about lines and zones."""

from datetime import datetime
from typing import cast

from controller.declaration.block import Block
from controller.declaration.crons import UTC_NAME, Crons
from controller.declaration.quantities import instant
from controller.declaration.wishes import Wishes
from controller.model.schedule import Schedule


def build_schedule(wishes: Wishes, crons: Crons, block: Block) -> Schedule | None:
    """Build the schedule of a target, None where none is declared; what is wrong with it is reported at its key."""
    if "schedule" not in block.data:
        return None
    data = cast("dict[str, str]", block.data["schedule"])
    own = cast("dict[str, str]", block.own.get("schedule", data))
    # Laid over defaults of the other kind, both are there: what the target says itself counts.
    if "cron" in data and "every" not in own:
        zone = data.get("timezone", UTC_NAME)
        crons.judge(block, ("schedule",), "cron", data["cron"], zone)
        return Schedule(cron=data["cron"], timezone=zone)
    every = wishes.duration(block, ("schedule", "every"), data["every"], least="1m", most="366d")
    return Schedule(every=every, anchor=_anchor(wishes, block, data.get("anchor")))


def _anchor(wishes: Wishes, block: Block, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return instant(text)
    except ValueError:
        wishes.findings.error(
            "wrong-value",
            f"cannot use {text} as `schedule.anchor`: there is no such day or time",
            block.where("schedule", "anchor", value=True),
        )
        return None
