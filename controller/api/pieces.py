"""What HTTP/1.1 takes at all: a body in crumbs is refused as it arrives, before it costs more to read than to send.

Called by `server` for every connection. Reading a chunk costs the same whether it holds one byte or a thousand, and strangers may send
megabytes of them before anybody has asked who they are.
"""

from typing import Final

import h11

FREE: Final = 500
"""Pieces of a body that may be as small as they like."""
LEAST: Final = 256
"""Bytes that the pieces of a body hold on average, beyond those that are free."""


class Pieces(h11.Connection):
    """A connection that counts the pieces of each body."""

    _pieces = 0
    _bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Give what came next.

        Raises:
            h11.RemoteProtocolError: it is not HTTP, or comes in crumbs.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._pieces += 1
            self._bytes += len(event.data)
            if self._pieces > FREE and self._bytes < self._pieces * LEAST:
                raise h11.RemoteProtocolError("the body comes in crumbs")
        return event
