"""The first and the last words of a connection, and heartbeats: control messages, never sent again.

The controller speaks first, whoever dialled. `handshake` and `session` read these.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from controller.wire.record import record

Farewell = Literal[
    "closing",
    "restarting",
    "reconnect",
    "evicted",
    "stale-epoch",
    "stale-lease",
    "version",
    "wrong-name",
    "busy",
    "silent",
    "late",
    "revoked",
    "protocol",
    "lost",
]


@record
class Hello:
    """The controller says who it is, what it speaks and which session it would go on with.

    `instance` is one process of it, `cluster` its state, `lease` the number of its right to act on that state (0: it claims
    none). `session` is what it would resume, with `received` the highest number it has of it; `fresh` names the session to
    begin where the agent doesn't know that.
    """

    controller: str
    instance: str
    least: int
    most: int
    epoch: int
    fresh: str
    session: str = ""
    received: int = 0
    cluster: str = ""
    lease: int = 0
    features: tuple[str, ...] = ()
    requests: int = 1024
    streams: int = 256


@record
class Facts:
    """What an agent says of its machine and of itself."""

    boot_id: str
    login: str = ""
    root: bool = False
    base: str = ""
    tools: tuple[str, ...] = ()
    system: str = ""
    machine: str = ""
    python: str = ""
    agent: str = ""
    scripts_only: bool = False
    workers: int = 1


@record
class Welcome:
    """The agent takes the connection: `session` is the one resumed or the fresh one, `received` what it has of it."""

    name: str
    version: int
    epoch: int
    session: str
    facts: Facts
    received: int = 0
    features: tuple[str, ...] = ()
    requests: int = 1024
    streams: int = 256


@record
class Goodbye:
    """The last frame of a connection; `epoch` is the highest known where `reason` is `stale-epoch`."""

    reason: Farewell
    message: str = ""
    epoch: int = 0


@record
class HostState:
    """How a machine does now: share of its processors in use, bytes, load averages, and the worker pool."""

    cpu: float = 0.0
    processors: int = 1
    memory_used: int = 0
    memory_total: int = 0
    disk_used: int = 0
    disk_total: int = 0
    load: tuple[float, ...] = ()
    uptime: float = 0.0
    workers: int = 0
    running: int = 0
    waiting: int = 0

    @property
    def idle(self) -> bool:
        """Say whether nothing runs and nothing waits."""
        return not self.running and not self.waiting


@record
class Heartbeat:
    """The agent lives; `number` counts on one connection."""

    number: int
    state: HostState = field(default_factory=HostState)


@record
class HeartbeatAck:
    """The controller lives too, and has seen the heartbeats up to `number`."""

    number: int
