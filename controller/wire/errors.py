"""What can go wrong in this room: the peer breaks the protocol, or this side sends more than may wait.

Raised by every module here; `session` turns a peer's breach into a goodbye, so that its callers meet only what they did
themselves. A stranger's bytes raise nothing but `ProtocolError`.
"""

from __future__ import annotations


class WireError(Exception):
    """Something this room refuses."""


class ProtocolError(WireError):
    """The peer's bytes or messages are not what the protocol says.

    Args:
        code: which rule was broken, in kebab case; `docs/wire.md` lists them.
        message: what was seen, lower case, with the values that matter; never the peer's own text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class OversizeError(WireError):
    """A message of this side does not fit into a frame; send it by a stream or in pages."""


class WindowFullError(WireError):
    """As much is under way as may be; wait until the session says `Room`, or for an answer."""


class UnknownCallError(WireError):
    """A request or stream is named that is not open (any more)."""
