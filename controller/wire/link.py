"""One connection as a session sees it: its decoder, what waits to be written, and when it was last heard.

`session` and `doorway` drive it; a shell only calls `take`, and closes the connection once `closed` is set and nothing is
left to take.
"""

from __future__ import annotations

from collections import deque

from controller.wire.codec import pack
from controller.wire.frames import FrameDecoder, FrameType, encode_prefix
from controller.wire.limits import Limits
from controller.wire.messages.greetings import Goodbye, HeartbeatAck
from controller.wire.outbox import Outbox

TAKE = 256 << 10
"""Bytes that a shell takes at once, give or take one message."""


class Link:
    """One connection, from its first byte to its goodbye."""

    def __init__(self, limits: Limits, now: float, *, epoch: int = 0) -> None:
        self.decoder = FrameDecoder(limits)
        self.began = now
        self.heard = now
        self.epoch = epoch
        self.closed: Goodbye | None = None
        self._control: deque[tuple[bytes, bytes]] = deque()
        self._beat = 0  # the heartbeat to answer; only the newest counts
        self._outbox: Outbox | None = None
        self._written = 0  # the highest number written here
        self._received = 0
        self._said = 0  # the highest number acknowledged here
        self._owing = 0  # bytes received since
        self._hurry = False
        self.owing_since: float | None = None

    def attach(self, outbox: Outbox, *, has: int, received: int) -> None:
        """Begin to carry a session whose peer has the messages up to `has`; `received` were received from it."""
        self._outbox = outbox
        self._written = has
        self._received = self._said = received

    def say(self, message: object) -> None:
        """Write a control message, before all that is numbered."""
        if self.closed is None:
            self._control.append(pack(message))

    def answer_beat(self, number: int) -> None:
        """Answer heartbeats up to `number`, once there is something to take."""
        self._beat = number

    def close(self, goodbye: Goodbye, *, say: bool) -> None:
        """Write nothing more but the goodbye, where it is said at all."""
        if self.closed is None:
            if not say:
                self._control.clear()
            else:
                self.say(goodbye)
            self.closed = goodbye
            self._outbox = None
            self._beat = 0

    def refuse(self, goodbye: Goodbye) -> None:
        """Take back whatever was not written yet, a welcome too, and write nothing but the goodbye."""
        if self.closed is None:
            self._control.clear()
            self.close(goodbye, say=True)

    def received(self, number: int, size: int, now: float, limits: Limits) -> None:
        """Note that messages up to `number` have come; the acknowledgement may wait for company."""
        self._received = number
        self._owing += size
        if self.owing_since is None:
            self.owing_since = now
        if self._owing * 4 >= limits.window or (number - self._said) * 4 >= limits.messages:
            self._hurry = True

    def hurry(self) -> None:
        """Let the acknowledgement wait no longer."""
        self._hurry = True

    def take(self, most: int = TAKE) -> bytes:
        """Give the next bytes to write, about `most` of them; nothing when there is nothing to write."""
        parts: list[bytes] = []
        size = 0
        if self._beat:
            self._control.append(pack(HeartbeatAck(number=self._beat)))
            self._beat = 0
        while self._control and size < most:
            size += self._put(parts, FrameType.CONTROL, 0, self._control.popleft())
        if self._outbox is not None:
            self._written = max(self._written, self._outbox.acknowledged)
            for packed in self._outbox.after(self._written):
                if size >= most:
                    break
                self._written += 1
                size += self._put(parts, FrameType.MESSAGE, self._written, packed)
        if self._hurry and self._said < self._received and self.closed is None:
            self._put(parts, FrameType.CONTROL, 0, (b"", b""))
        return b"".join(parts)

    def _put(
        self, parts: list[bytes], kind: FrameType, seq: int, packed: tuple[bytes, bytes]
    ) -> int:
        header, payload = packed
        parts += (encode_prefix(kind, seq, self._received, header, payload), header, payload)
        self._said = self._received
        self._owing = 0
        self._hurry = False
        self.owing_since = None
        return len(header) + len(payload)
