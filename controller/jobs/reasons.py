"""The words that jobs of a run wait or end with when it is not a step that speaks.

Written by `schedule`, `engine` and the drivers; read by `tally`, `report` and the faces.
"""

from typing import Final

WAITING_FOR_WORKER: Final = "WaitingForWorker"
"""Not begun: its server has it, and runs as many others as it may."""
UNHEALTHY: Final = "Unhealthy"
"""Its steps went well and its health was not what the rollout wants."""
REVERTED: Final = "Reverted"
"""Its steps went well and nobody confirmed it in time, so its server undid the change."""
HALTED: Final = "Halted"
"""Not begun: so many of its target went wrong that nothing more of it is started."""
DEPENDENCY_FAILED: Final = "DependencyFailed"
"""Not begun: a target that comes before did not end well in this run."""
BUDGET_EXHAUSTED: Final = "BudgetExhausted"
"""Not begun: a group of its server has as many servers down as it may have, and none will come back in this run."""
STOPPED: Final = "stopped before it began"
"""Not begun: a person stopped it."""
