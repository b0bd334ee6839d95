"""Messages sent and not yet acknowledged, kept to be sent again; its size is what back-pressure looks at.

`session` calls it for each message it numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from controller.wire.errors import ProtocolError

Packed = tuple[bytes, bytes]
"""Header and payload of a message."""


class Outbox:
    """Messages by number, from the oldest that the peer may lack to the newest."""

    def __init__(self) -> None:
        self._kept: deque[Packed] = deque()
        self.last = 0
        """The highest number given."""
        self.size = 0
        """Bytes kept."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def acknowledged(self) -> int:
        """The highest number that the peer has said it has."""
        return self.last - len(self._kept)

    def add(self, header: bytes, payload: bytes) -> None:
        """Keep the message that got number `last + 1`."""
        self.last += 1
        self.size += len(header) + len(payload)
        self._kept.append((header, payload))

    def acknowledge(self, number: int) -> bool:
        """Drop what the peer has; say whether that was news.

        Raises:
            ProtocolError: it claims what was never sent.
        """
        if number > self.last:
            raise ProtocolError(
                "bad-ack", f"number {number} is acknowledged, {self.last} were sent"
            )
        news = number - self.acknowledged
        for _ in range(news):
            header, payload = self._kept.popleft()
            self.size -= len(header) + len(payload)
        return news > 0

    def after(self, number: int) -> Iterator[Packed]:
        """Give what comes after a number, in order; nothing may be added or dropped meanwhile."""
        return islice(self._kept, max(0, number - self.acknowledged), None)
