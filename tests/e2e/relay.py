"""A network that misbehaves on demand: a TCP relay between `ctl` and an agent that can cut, stall, and come back."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Literal

PIECE = 1500
"""Bytes that are carried at once, so that a cut falls anywhere in a frame."""
Way = Literal["there", "back"]


class Relay:
    """Carries connections to a port of this machine, as long as it is told to."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._links: set[socket.socket] = set()
        self._left: dict[Way, int] = {}
        self._refuses = False
        self.carried: dict[Way, int] = {"there": 0, "back": 0}
        self.made = 0
        """Connections."""
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """Break every connection off, without a word."""
        with self._lock:
            for link in self._links:
                _break_off(link)

    def down(self) -> None:
        """Break every connection off, and every one that is made from now on."""
        self._refuses = True
        self.cut()

    def up(self) -> None:
        """Carry again, and cut nothing."""
        self._refuses = False
        self._left.clear()
        self._open.set()

    def stall(self) -> None:
        """Keep connections, and carry nothing until it is `up`."""
        self._open.clear()

    def cut_after(self, way: Way, size: int) -> None:
        """Break off after so many bytes more in one direction, once."""
        self._left[way] = size

    def close(self) -> None:
        """Be gone."""
        self.down()
        self._open.set()
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who accepts
        self._door.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            if self._refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._to), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.made += 1
            with self._lock:
                self._links |= {near, far}
            self._begin(near, far)

    def _begin(self, near: socket.socket, far: socket.socket) -> None:
        """Carry both ways; only the last of both closes, for a number that is closed is soon another's."""
        ways: list[tuple[Way, socket.socket, socket.socket]] = [
            ("there", near, far),
            ("back", far, near),
        ]
        carrying = [threading.Thread(target=self._carry, args=one, daemon=True) for one in ways]

        def end() -> None:
            for one in carrying:
                one.join()
            with self._lock:
                self._links -= {near, far}
            near.close()
            far.close()

        ending = threading.Thread(target=end, daemon=True)
        for one in (*carrying, ending):
            one.start()
        self._threads.append(ending)

    def _carry(self, way: Way, source: socket.socket, goal: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                self._open.wait()
                left = self._left.get(way)
                if left is not None:
                    self._left[way] = left - len(data)
                    if left <= len(data):
                        goal.sendall(data[:left])
                        del self._left[way]
                        break
                goal.sendall(data)
                self.carried[way] += len(data)
        _break_off(source)
        _break_off(goal)


def _break_off(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relayed(port: int) -> Iterator[Relay]:
    """Carry connections to a port meanwhile."""
    made = Relay(port)
    try:
        yield made
    finally:
        made.close()
