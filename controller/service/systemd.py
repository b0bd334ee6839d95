"""Telling systemd how a serving controller does: ready, still alive, stopping (sd_notify(3)).

Called by `serving`; speaks one datagram at a time to the socket that systemd names. Without one nothing is told.
"""

import contextlib
import socket
from collections.abc import Mapping
from typing import Final

from controller.errors import UsageError

MICROSECONDS: Final = 1_000_000
MOST: Final = 200
"""Characters of a status; systemd shows one line."""


class Systemd:
    """The way to systemd, where it started us.

    Args:
        variables: the environment: NOTIFY_SOCKET and WATCHDOG_USEC are systemd's.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._address = variables.get("NOTIFY_SOCKET") or None
        self._watchdog = variables.get("WATCHDOG_USEC") or None
        if self._address is not None and self._address[0] not in "/@":
            raise UsageError(f"cannot tell systemd by NOTIFY_SOCKET={self._address}: no such kind")

    @property
    def beat_seconds(self) -> float | None:
        """Say how often systemd wants to hear that we live: half of what it waits; None: never."""
        if self._address is None or self._watchdog is None or not self._watchdog.isdecimal():
            return None
        return int(self._watchdog) / MICROSECONDS / 2

    def ready(self, status: str) -> None:
        """Say that everything is started."""
        self._tell("READY=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        """Say in one line what goes on."""
        self._tell(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Say that we live."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that we were asked to stop, and do."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # A systemd that does not listen is no reason to end: it will judge by its own time-outs.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way,
        ):
            way.setblocking(False)
            way.connect(name)
            way.send("\n".join(lines).encode())


def _line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)[:MOST]
