"""What this room cannot do.

ExecutionError               something the agent knows how to answer
├── RefusedError             the request is wrong or not allowed; nothing was recorded, nothing was started
│   ├── DigestError          what arrived is not what was planned
│   ├── NoLimitsError        a limit is asked for that nothing here can hold
│   └── OutsideError         a path leads out of its workspace, or is no plain file
├── UnknownAttemptError      there is no such attempt here
├── FullError                a limit of this machine or of the agent is reached; try again later
└── BrokenError              the folder cannot be trusted or written any more; the agent must stop

A command that fails is an outcome, never an exception. The agent turns `reference` into the wire's error codes.
"""

from __future__ import annotations

from typing import ClassVar


class ExecutionError(Exception):
    """Something the agent knows how to answer.

    Args:
        message: what went wrong, lower case, with the values that matter.
        hint: what to do about it.
    """

    reference: ClassVar[str] = "execution"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RefusedError(ExecutionError):
    """The request is wrong or not allowed; nothing was recorded, nothing was started."""

    reference = "refused"


class DigestError(RefusedError):
    """What arrived is not what was planned."""

    reference = "digest"


class NoLimitsError(RefusedError):
    """A limit is asked for that nothing here can hold."""

    reference = "no-limits"


class OutsideError(RefusedError):
    """A path leads out of its workspace, or names something that is no plain file or folder."""

    reference = "outside"


class UnknownAttemptError(ExecutionError):
    """There is no such attempt here."""

    reference = "unknown-attempt"


class FullError(ExecutionError):
    """A limit is reached; try again later."""

    reference = "full"


class BrokenError(ExecutionError):
    """The folder of the room cannot be trusted or written any more."""

    reference = "broken"
