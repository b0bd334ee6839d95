"""The exit code of `ctl plan`.

Called by the faces.
"""

from typing import Final

from controller.model.plan import Plan

NOTHING: Final = 0
CHANGES: Final = 2
DRIFT: Final = 3
HELD: Final = 4


def exit_code(plan: Plan, *, detailed: bool) -> int:
    """Give the code of a plan that could be made; `detailed` is `--detailed-exitcode`."""
    counted = plan.summary
    if not detailed:
        return NOTHING
    if counted.add or counted.change or counted.remove or counted.run:
        return CHANGES
    if counted.drifted:
        return DRIFT
    return HELD if counted.blocked or counted.unknown else NOTHING
