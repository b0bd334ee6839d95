"""Connections that lose, double and delay: two ends of `wire` and the bytes between them.

TLS below keeps order and bytes within one connection, so what may be lost is its end, what may come twice is what was sent before,
and what may come late is anything, even after a later connection is up.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from controller.wire.frames import PREFIX, FrameType
from controller.wire.link import Link

MOST: Final = 1 << 16
"""Bytes that a connection holds; then the writer waits."""
DOUBLED: Final = 0.1


@dataclass(slots=True, eq=False)
class Pipe:
    """One connection: `near` is the controller's end, `far` the agent's, with the bytes on their way to each."""

    near: Link
    far: Link
    to_near: bytearray = field(default_factory=bytearray)
    to_far: bytearray = field(default_factory=bytearray)
    said: bytes = b""
    """What the controller said at first, for whoever recorded it."""

    def load(self, rng: Random) -> int:
        """Put on the way what both have to say, and some of it twice; count what came twice."""
        twice = 0
        for link, way in ((self.near, self.to_far), (self.far, self.to_near)):
            if len(way) >= MOST:
                continue
            data = link.take()
            again = bool(data) and rng.random() < DOUBLED and _only_messages(data)
            way.extend(data * (1 + again))
            twice += again
            if link is self.near and not self.said:
                self.said = data
        return twice


def _only_messages(data: bytes) -> bool:
    """Whether bytes are numbered messages alone: greetings are said once, and whoever says them twice breaks a rule."""
    at = 0
    while at < len(data):
        start, header, payload, _, _ = PREFIX.unpack_from(data, at)
        if start[2] != FrameType.MESSAGE:
            return False
        at += PREFIX.size + header + payload
    return True
