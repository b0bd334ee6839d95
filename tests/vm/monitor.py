"""Orders to a running qemu, over its own protocol (QMP) on a Unix socket. `machine` calls it."""

import json
import socket
import time
from pathlib import Path

ORDER = 120.0
"""Seconds that an order may take; to write down all of a memory takes a while."""


class MonitorError(Exception):
    """The emulator refused, or is gone."""


class Monitor:
    """A connection to one qemu.

    Args:
        place: its socket.
        seconds: to wait until it is there.
    """

    def __init__(self, place: Path, *, seconds: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ORDER)
        by = time.monotonic() + seconds
        while True:
            try:
                self._socket.connect(str(place))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > by:
                    raise MonitorError(f"cannot reach qemu at {place}") from None
                time.sleep(0.05)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self.order("qmp_capabilities")

    def order(self, name: str, **arguments: object) -> object:
        """Have it do something; give what it returns."""
        self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while line := self._lines.readline():
            said = json.loads(line)
            if "error" in said:
                raise MonitorError(f"cannot {name}: {said['error']['desc']}")
            if "return" in said:
                return said["return"]
        raise MonitorError(f"cannot {name}: qemu is gone")

    def human(self, line: str) -> None:
        """Have it do what only its language for people can say."""
        said = self.order("human-monitor-command", **{"command-line": line})
        if said:
            raise MonitorError(f"cannot {line}: {said}")

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()
