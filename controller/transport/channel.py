"""A duplex stream of bytes to one `sh` on a server: all that the runner needs of a carrier.

`ssh` and `local` make channels, `session` speaks the runner's protocol over them.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Channel(Protocol):
    """The standard input and output of one `sh`; what it writes to standard error is kept for messages only."""

    async def read(self, limit: int) -> bytes:
        """Wait for bytes, at most `limit`; nothing means that the other end is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the other end is slow.

        Raises:
            SessionLostError: the other end is gone.
        """
        ...

    async def complaint(self) -> str:
        """Give the last kilobyte of standard error, for messages (`sudo: a password is required`)."""
        ...

    async def close(self) -> None:
        """Close both directions; what was started detached goes on."""
        ...


OpenChannel = Callable[[], Awaitable[Channel]]
"""Starts one more `sh` on the same connection (`sudo -n sh` where declared)."""
