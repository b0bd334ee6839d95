"""What an agent says unasked, and the controller's receipt.

The agent numbers its news, keeps them until they are noted, and says them again in every session that does not resume
one; so each reaches the controller's state at least once, whoever dies.
"""

from __future__ import annotations

from controller.wire.messages.attempts import Phase
from controller.wire.record import record


@record
class Changed:
    """An attempt came to another phase."""

    number: int
    attempt: str
    job: str
    phase: Phase
    paused: bool = False
    at: float = 0.0


@record
class Reported:
    """A report is there, to be asked for by `get-report`."""

    number: int
    attempt: str
    job: str


@record
class Noted:
    """The controller has recorded all news up to `number`."""

    number: int
