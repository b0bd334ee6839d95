"""How the daemon hands an attempt over to its supervisor: a plan, eight bytes of length and then JSON.

`launch` frames it, `supervisor` receives it. Both are the same interpreter with the same code. Calls nobody.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping


def frame(plan: Mapping[str, object]) -> bytes:
    """Write a plan as the bytes that are sent."""
    body = json.dumps(plan).encode("ascii")
    return len(body).to_bytes(8, "big") + body


def receive(control: socket.socket) -> dict[str, object]:
    """Read the plan: eight bytes of length, then JSON."""
    size = int.from_bytes(_exactly(control, 8), "big")
    plan = json.loads(_exactly(control, size))
    if not isinstance(plan, dict):
        raise TypeError("cannot read the plan of an attempt")
    return plan


def _exactly(control: socket.socket, size: int) -> bytearray:
    taken = bytearray()
    while len(taken) < size:
        part = control.recv(min(size - len(taken), 1 << 20))
        if not part:
            raise EOFError("cannot read the plan of an attempt: its sender is gone")
        taken += part
    return taken
