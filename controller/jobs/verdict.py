"""What the server's word about an attempt proves.

Pure. Asked by `attempt` whenever an answer of the server has to be weighed.
"""

from enum import StrEnum

from controller.model.job import Attempt
from controller.transport.port import AttemptStatus, Phase


class Verdict(StrEnum):
    """What the server's word proves."""

    NEVER_STARTED = "never started"  # it may be sent (again) under the same id
    WAITS = "waits"  # the server has it and runs others first
    RUNS = "runs"
    ENDED = "ended"
    INTERRUPTED = "interrupted"
    LOST = "lost"  # the claim is gone although the start was acknowledged


def judge(attempt: Attempt, status: AttemptStatus, boot_id: str) -> Verdict:
    """Weigh what the server says of an attempt.

    A missing claim proves only under the boot id of the dispatch that nothing started: a claim that was not yet on
    the disk does not survive a power loss.
    """
    match status.phase:
        case Phase.RUNNING:
            return Verdict.WAITS if status.waiting else Verdict.RUNS
        case Phase.ENDED:
            return Verdict.ENDED
        case Phase.INTERRUPTED:
            return Verdict.INTERRUPTED
        case Phase.NONE:
            if attempt.boot_id != boot_id:
                return Verdict.INTERRUPTED
            return Verdict.NEVER_STARTED if attempt.started_at is None else Verdict.LOST
