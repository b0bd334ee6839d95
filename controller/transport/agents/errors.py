"""What an agent refuses, in the errors of the controller.

Called by `talk` for replies and by the sessions for streams; it calls nothing. The codes are the references of the agent's
own errors; one that is not known here is a fault of the server, never a gate.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from controller.agent.streams import StreamCancelledError, StreamLostError
from controller.errors import (
    ControllerError,
    LockedError,
    NotFoundError,
    RefusedError,
    TransportError,
    Unreachable,
)
from controller.transport.agents import causes
from controller.wire.messages.server import Failed, Unsupported

LONGEST: Final = 2000
"""Characters of an agent's own words."""

GATES: Final = frozenset({
    "refused", "denied", "digest", "outside", "no-limits", "script", "full",
})  # fmt: skip
MISSING: Final = frozenset({"not-found", "unknown-attempt"})


def failure(name: str, said: Failed | Unsupported) -> ControllerError:
    """Translate a reply that is no answer."""
    if isinstance(said, Unsupported):
        return RefusedError(
            f"the agent of {name} does not know {said.of[:100]} ({said.why})",
            hint=f"bring it to this version: ctl agent install --on {name}",
        )
    return told(name, said.code, said.message, said.hint)


def told(name: str, code: str, message: str, hint: str = "") -> ControllerError:
    """Translate a code with its words."""
    words = message[:LONGEST] or f"the agent of {name} says {code[:100]}"
    remedy = hint[:LONGEST] or None
    if code == "locked":
        return LockedError(words, hint=remedy)
    if code in MISSING:
        return NotFoundError(words, hint=remedy)
    if code in GATES:
        return RefusedError(words, hint=remedy)
    if code == "unsupported":
        return RefusedError(
            f"the agent of {name} does not take that: {words}",
            hint=f"bring it to this version: ctl agent install --on {name}",
        )
    return TransportError(
        f"the agent of {name} cannot go on: {words}",
        cause=Unreachable.STATE,
        hint=remedy or "its log says more: journalctl -u ctl-agent",
    )


@asynccontextmanager
async def streaming(name: str) -> AsyncIterator[None]:
    """Translate what ends a stream before its end."""
    try:
        yield
    except StreamCancelledError as error:
        raise told(name, error.code, "" if str(error) == error.code else str(error)) from error
    except StreamLostError as error:
        raise causes.lost(name, str(error)) from error
