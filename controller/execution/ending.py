"""How an attempt ended, one word each; the supervisor, which imports little, needs it too. Pure."""

from __future__ import annotations

from enum import Enum


class Ending(str, Enum):
    """How an ended attempt ended."""

    EXIT = "exit"  # by itself
    TIMEOUT = "timeout"
    STOP = "stop"
    START = "start"  # the command could not be started; `message` says why
    UNSTARTED = (
        "unstarted"  # proof that nothing of it has ever run: it may be sent again under another id
    )
