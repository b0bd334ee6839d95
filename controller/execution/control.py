"""The supervisor's end of the socket to its daemon: what to do next, and telling what happens.

A daemon that is gone is no trouble: then nothing is heard and nobody is told. `supervisor` calls it; it speaks `handover`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import NamedTuple

from controller.execution.lines import encode

PIECE = 64 << 10
LONGEST = 1 << 10


class Handed(NamedTuple):
    """An attempt as it was handed over."""

    plan: dict[str, object]
    text: bytes
    stdin: bytes


class Control:
    """The socket to the daemon.

    Args:
        door: the socket; blocking.
    """

    def __init__(self, door: socket.socket) -> None:
        self.attended = True
        self.asked: int | None = None
        self._door = door
        self._heard = bytearray()

    def fileno(self) -> int:
        """Give the descriptor to poll."""
        return self._door.fileno()

    def tell(self, event: str, **more: object) -> None:
        """Tell the daemon, if there is one."""
        self.pass_on({"event": event, **more})

    def pass_on(self, record: Mapping[str, object]) -> None:
        """Tell the daemon a whole record."""
        try:
            self._door.sendall(encode(record))
        except OSError:
            self.attended = False

    def tell_output(self, length: int) -> None:
        """Tell of output if somebody waits for it."""
        if self.asked is not None and length > self.asked:
            self.asked = None
            self.tell("output")

    def receive(self) -> Handed | None:
        """Wait for the next attempt; None when the daemon is gone.

        Raises:
            ValueError: that is no attempt.
        """
        self.asked = None
        words = self._next(b"a")
        if words is None:
            return None
        bodies = [self._exactly(int(word)) for word in words]
        if None in bodies:
            return None
        plan, text, stdin = (bytes(body or b"") for body in bodies)
        read = json.loads(plan)
        if not isinstance(read, dict):
            raise TypeError("cannot read the plan of an attempt")
        return Handed(read, text, stdin)

    def released(self) -> bool:
        """Wait until the command may begin; False when the daemon is gone, so that it may not."""
        return self._next(b"g") is not None

    def hear(self) -> bool:
        """Take what the daemon says while an attempt runs; False when it is gone."""
        if not self._fill():
            self.attended = False
            return False
        while b"\n" in self._heard:
            self._line()
        return True

    def _next(self, verb: bytes) -> list[bytes] | None:
        """Wait for a line with a verb, past wishes that came too late; None when the daemon is gone."""
        while True:
            while b"\n" not in self._heard:
                if len(self._heard) > LONGEST:
                    raise ValueError("cannot read what the daemon says")
                if not self._fill():
                    return None
            words = self._line()
            if words[:1] == [verb]:
                return words[1:]

    def _line(self) -> list[bytes]:
        line, _, rest = self._heard.partition(b"\n")
        self._heard = rest
        words = bytes(line).split()
        if words[:1] == [b"o"]:
            self.asked = int(words[1]) if self.asked is None else min(self.asked, int(words[1]))
        return words

    def _exactly(self, size: int) -> bytearray | None:
        while len(self._heard) < size:
            if not self._fill(size - len(self._heard)):
                return None
        taken = self._heard[:size]
        del self._heard[:size]
        return taken

    def _fill(self, size: int = 0) -> bool:
        try:
            part = self._door.recv(max(PIECE, min(size, 1 << 20)))
        except OSError:
            return False
        self._heard += part
        return bool(part)
