"""The door of an agent: reads the hello of each new connection and finds the session it is for.

`agent` calls it for all connections, those it dialled and those it accepted; it calls `session`. Sessions are by the
name on the peer's certificate and the process behind it, so that two commands of one person do not evict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.wire.codec import read_message, unpack
from controller.wire.errors import ProtocolError
from controller.wire.events import Closed, Event, Fence
from controller.wire.frames import Frame, FrameType
from controller.wire.handshake import Identity
from controller.wire.link import Link
from controller.wire.messages.greetings import Goodbye, Hello
from controller.wire.session import Session, farewell


@dataclass
class _Guest:
    """One session, under which lease it was begun, and since when it has no connection."""

    session: Session
    cluster: str = ""
    lease: int = 0
    left: float | None = None


@dataclass
class _Knock:
    """A connection before its hello."""

    peer: str
    leads: bool


class Doorway:
    """All sessions of one agent, and the connections that have not said hello yet.

    Args:
        me: the agent.
        leases: the highest lease seen of each cluster, from disk.
    """

    def __init__(self, me: Identity, leases: Mapping[str, int]) -> None:
        self._me = me
        self.leases = dict(leases)
        self._guests: dict[tuple[str, str], _Guest] = {}
        self._knocks: dict[Link, _Knock] = {}
        self._inside: dict[Link, _Guest] = {}

    def connect(self, peer: str, now: float, *, leads: bool) -> Link:
        """Take a new connection; the controller speaks first.

        Args:
            peer: the name on the certificate of the other side.
            now: seconds.
            leads: whether its role may hold a lease; of others none is believed.
        """
        link = Link(self._me.limits, now)
        if len(self._knocks) >= self._me.limits.greetings:
            link.close(Goodbye(reason="busy"), say=True)
        else:
            self._knocks[link] = _Knock(peer=peer, leads=leads)
        return link

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are kept, with a connection or without; whatever belongs to another one is over."""
        return tuple(guest.session for guest in self._guests.values())

    def session(self, link: Link) -> Session | None:
        """Give the session that a connection carries or carried last."""
        guest = self._inside.get(link)
        return guest.session if guest else None

    def receive(self, link: Link, data: bytes, now: float) -> list[Event]:
        """Take bytes from a connection; never raises for what the peer sent."""
        guest = self._inside.get(link)
        if guest is not None:
            return guest.session.receive(link, data, now)
        knock = self._knocks.get(link)
        if knock is None or link.closed is not None:
            return []
        try:
            for frame in link.decoder.feed(data):
                guest, events = self._admit(link, knock, frame, now)
                return events + guest.session.receive(link, b"", now)
        except ProtocolError as wrong:
            return self._turn_away(link, wrong)
        return []

    def lost(self, link: Link) -> list[Event]:
        """Note that a connection is no more; the last that is said about it."""
        guest = self._inside.pop(link, None)
        if guest is not None:
            return guest.session.lost(link)
        if self._knocks.pop(link, None) is None:
            return []
        goodbye = Goodbye(reason="lost")
        link.close(goodbye, say=False)
        return [Closed(link=link, goodbye=goodbye, ours=True)]

    def deadline(self) -> float | None:
        """Say when `tick` is to be called at the latest."""
        limits = self._me.limits
        times = [link.began + limits.greeting for link in self._knocks]
        for guest in self._guests.values():
            due = guest.session.deadline()
            if due is not None:
                times.append(due)
            elif guest.left is not None:
                times.append(guest.left + limits.linger)
        return min(times) if times else None

    def tick(self, now: float) -> list[tuple[Session | None, Event]]:
        """Do what is due, in every session; give what came of it beside its session."""
        limits = self._me.limits
        told: list[tuple[Session | None, Event]] = []
        for link in [one for one in self._knocks if now >= one.began + limits.greeting]:
            late = ProtocolError("late", "no hello came in time")
            told += [(None, event) for event in self._turn_away(link, late)]
        for key, guest in list(self._guests.items()):
            told += [(guest.session, event) for event in guest.session.tick(now)]
            if guest.session.link is not None:
                guest.left = None
            elif guest.left is None:
                guest.left = now
            elif now >= guest.left + limits.linger:
                del self._guests[key]
        return told

    def _admit(
        self, link: Link, knock: _Knock, frame: Frame, now: float
    ) -> tuple[_Guest, list[Event]]:
        """Let a connection in whose first frame is a hello that its session takes."""
        hello = _read_hello(frame)
        lease = hello.lease if knock.leads and hello.cluster else 0
        self._check_lease(hello.cluster, lease)
        key = (knock.peer, hello.instance)
        guest = self._guests.get(key) or _Guest(session=Session(self._me, knock.peer))
        if key not in self._guests:
            self._make_room(knock.peer)
        events = guest.session.accept(link, hello, now)
        self._guests[key] = self._inside[link] = guest
        del self._knocks[link]
        guest.cluster, guest.lease, guest.left = hello.cluster, lease, None
        return guest, self._fence(hello.cluster, lease) + events

    def _check_lease(self, cluster: str, lease: int) -> None:
        known = self.leases.get(cluster, 0)
        if lease and lease < known:
            raise ProtocolError("stale-lease", f"lease {lease} comes after {known}")
        if lease and cluster not in self.leases and len(self.leases) >= self._me.limits.clusters:
            raise ProtocolError("busy", f"leases of {len(self.leases)} clusters are kept")

    def _fence(self, cluster: str, lease: int) -> list[Event]:
        """Keep a higher lease, and say goodbye to the sessions of lower ones."""
        if lease <= self.leases.get(cluster, 0):
            return []
        self.leases[cluster] = lease
        events: list[Event] = [Fence(cluster=cluster, lease=lease)]
        for guest in self._guests.values():
            if guest.cluster == cluster and 0 < guest.lease < lease:
                events += guest.session.close(Goodbye(reason="stale-lease"))
        return events

    def _make_room(self, peer: str) -> None:
        """Forget a session without a connection where there are too many, of this peer or of all."""
        own = [key for key in self._guests if key[0] == peer]
        limits = self._me.limits
        crowd = own if len(own) >= limits.sessions_each else list(self._guests)
        if crowd is not own and len(crowd) < limits.sessions:
            return
        for key in crowd:
            if self._guests[key].session.link is None:
                del self._guests[key]
                return
        raise ProtocolError("busy", f"{len(crowd)} sessions are in use")

    def _turn_away(self, link: Link, wrong: ProtocolError) -> list[Event]:
        knock = self._knocks.pop(link)
        goodbye = farewell(wrong)
        if goodbye.reason == "stale-epoch":
            epochs = [
                g.session.epoch for (peer, _), g in self._guests.items() if peer == knock.peer
            ]
            goodbye = Goodbye(reason="stale-epoch", epoch=max(epochs, default=0))
        link.close(goodbye, say=True)
        return [Closed(link=link, goodbye=goodbye, ours=True)]


def _read_hello(frame: Frame) -> Hello:
    if frame.type is not FrameType.CONTROL or frame.ack or not frame.header:
        raise ProtocolError("bad-greeting", "a connection does not begin with a hello")
    envelope = unpack(frame.header, frame.payload)
    try:
        hello = read_message(envelope)
    except ValueError as wrong:
        raise ProtocolError("malformed", f"hello: {wrong}") from None
    if not isinstance(hello, Hello):
        raise ProtocolError("bad-greeting", "a connection does not begin with a hello")
    return hello
