"""Two ends without a network: an agent and a controller, wires that tests cut, delay and corrupt."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.wire.doorway import Doorway
from controller.wire.events import Closed, Event, Opened, Reset
from controller.wire.handshake import Identity
from controller.wire.limits import LIMITS, Limits
from controller.wire.link import Link
from controller.wire.messages.greetings import Facts
from controller.wire.messages.table import To
from controller.wire.session import Session

SMALL = Limits(
    window=4096, buffer=8192, messages=64, requests=16, streams=4, chunk=512, credit=2048
)


def controller(
    limits: Limits = LIMITS, instance: str = "c1", cluster: str = "state", lease: int = 1
) -> Session:
    me = Identity(
        side=To.CONTROLLER,
        name="control",
        instance=instance,
        cluster=cluster,
        lease=lease,
        features=("pause", "gzip"),
        limits=limits,
    )
    return Session(me, "web-1")


def doorway(limits: Limits = LIMITS, **leases: int) -> Doorway:
    me = Identity(
        side=To.AGENT,
        name="web-1",
        instance="a1",
        features=("pause", "uses"),
        facts=Facts(boot_id="boot-1", tools=("setsid",)),
        limits=limits,
    )
    return Doorway(me, leases)


@dataclass
class Wire:
    """One connection between the two, with the bytes under way in each direction."""

    near: Link
    far: Link
    to_far: bytearray = field(default_factory=bytearray)
    to_near: bytearray = field(default_factory=bytearray)
    far_log: bytearray = field(default_factory=bytearray)
    near_log: bytearray = field(default_factory=bytearray)


@dataclass
class Pair:
    """A controller's session and an agent's doorway, what each was told, and the connection between them."""

    limits: Limits = LIMITS
    now: float = 0.0
    near_events: list[Event] = field(default_factory=list)
    far_events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.near = controller(self.limits)
        self.door = doorway(self.limits)
        self.wire = self.dial()

    def dial(self) -> Wire:
        far = self.door.connect("control", self.now, leads=True)
        self.wire = Wire(self.near.connect(self.now), far)
        return self.wire

    @property
    def far(self) -> Session:
        session = self.door.session(self.wire.far)
        assert session is not None
        return session

    def load(self, wire: Wire) -> None:
        """Put on the wire what both have to say."""
        wire.to_far += wire.near.take()
        wire.to_near += wire.far.take()

    def carry(self, wire: Wire, near: int, far: int) -> None:
        """Let so many bytes arrive at each end."""
        data = bytes(wire.to_far[:far])
        del wire.to_far[:far]
        wire.far_log += data
        self.far_events += self.door.receive(wire.far, data, self.now)
        data = bytes(wire.to_near[:near])
        del wire.to_near[:near]
        wire.near_log += data
        self.near_events += self.near.receive(wire.near, data, self.now)

    def settle(self) -> None:
        """Let everything arrive."""
        while True:
            self.load(self.wire)
            if not self.wire.to_far and not self.wire.to_near:
                return
            self.carry(self.wire, len(self.wire.to_near), len(self.wire.to_far))

    def cut(self) -> None:
        """Lose the connection with all that is under way."""
        self.near_events += self.near.lost(self.wire.near)
        self.far_events += self.door.lost(self.wire.far)

    def talk(self) -> Pair:
        """Shake hands and forget what was told about it."""
        self.settle()
        assert any(isinstance(event, Opened) for event in self.near_events)
        self.near_events.clear()
        self.far_events.clear()
        return self

    def said(self, *kinds: type) -> list[Event]:
        """Give what both were told, but for the life of connections."""
        told = [*self.near_events, *self.far_events]
        return [event for event in told if isinstance(event, kinds or (Opened, Closed, Reset))]
