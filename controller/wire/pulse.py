"""When a connection is late, silent or stalled, and when the next heartbeat is due.

`session` calls it with the time; it looks at the connection and at what waits for acknowledgement.
"""

from __future__ import annotations

import zlib

from controller.wire.handshake import Identity
from controller.wire.link import Link
from controller.wire.messages.table import To
from controller.wire.outbox import Outbox


class Pulse:
    """The times of the connection in use."""

    def __init__(self, me: Identity) -> None:
        self.me = me
        self._stall: tuple[int, float] | None = None  # what is acknowledged, and since when no more
        self._beat = 0
        self._beat_at = 0.0
        self._beat_due = 0.0

    def begin(self, now: float) -> None:
        """Start with a connection that was just greeted."""
        self._stall = None
        self._beat_due = now + self.interval()

    def beat(self, now: float) -> int:
        """Number a heartbeat that is sent now."""
        self._beat += 1
        self._beat_at = now
        return self._beat

    def answered(self, number: int, now: float) -> float | None:
        """Say how long the answer to the newest heartbeat took; None for an earlier one."""
        return now - self._beat_at if number == self._beat else None

    def beats(self, now: float) -> bool:
        """Say whether a heartbeat is due, once for each."""
        if self.me.side is not To.AGENT or now < self._beat_due:
            return False
        self._beat_due = now + self.interval()
        return True

    def silent(self, link: Link, outbox: Outbox, now: float) -> bool:
        """Say whether the peer was not heard, or acknowledged nothing, for too long."""
        if not len(outbox):
            self._stall = None
        elif self._stall is None or self._stall[0] != outbox.acknowledged:
            self._stall = (outbox.acknowledged, now)
        limits = self.me.limits
        stalled = self._stall is not None and now >= self._stall[1] + limits.acknowledgement
        return stalled or now >= link.heard + limits.silence

    def deadline(self, link: Link, outbox: Outbox) -> float:
        """Say when something is due on the connection in use."""
        limits = self.me.limits
        times = [link.heard + limits.silence]
        if link.owing_since is not None:
            times.append(link.owing_since + limits.delay)
        if len(outbox):
            since = link.heard if self._stall is None else self._stall[1]
            times.append(since + limits.acknowledgement)
        if self.me.side is To.AGENT:
            times.append(self._beat_due)
        return min(times)

    def interval(self) -> float:
        """Give the time to the next heartbeat: spread by a fifth, so that a fleet does not beat as one."""
        spread = zlib.crc32(f"{self.me.name} {self._beat}".encode()) / (1 << 32)
        return self.me.limits.heartbeat * (0.8 + 0.4 * spread)
