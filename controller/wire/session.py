"""A session: one agent and one controller that talk, over one connection after the other.

The same class on both ends, and pure: bytes and ticks in, bytes and events out, time as an argument (seconds of any clock
that only goes forward). The shells of `agent` and of the carrier own the connections:

- whoever dialled, the controller begins with `connect`; on a server, `doorway` finds the session that a hello is for;
- bytes that came go to `receive`; after every call, `link.take()` is written until it is empty;
- a connection that broke is told by `lost`; `tick` is called at `deadline`.
"""

from __future__ import annotations

from typing import Final, get_args

from controller.wire.codec import read_message, unpack
from controller.wire.conversation import Conversation
from controller.wire.errors import ProtocolError
from controller.wire.events import Beat, BeatAnswered, BeatDue, Closed, Event, Opened, Reset
from controller.wire.frames import Frame, FrameType
from controller.wire.handshake import Agreement, Identity, agree, check_welcome
from controller.wire.link import Link
from controller.wire.messages.greetings import (
    Farewell,
    Goodbye,
    Heartbeat,
    HeartbeatAck,
    Hello,
    HostState,
    Welcome,
)
from controller.wire.messages.streams import Cancel, End
from controller.wire.messages.table import To
from controller.wire.pulse import Pulse

FAREWELLS: Final = frozenset(get_args(Farewell))


def farewell(wrong: ProtocolError) -> Goodbye:
    """Say goodbye to a peer that broke a rule."""
    for reason in get_args(Farewell):
        if reason == wrong.code:
            return Goodbye(reason=reason, message=wrong.message)
    return Goodbye(reason="protocol", message=f"{wrong.code}: {wrong.message}")


class Session:
    """One end of what two ends have to say to each other, across connections."""

    def __init__(self, me: Identity, peer: str) -> None:
        self.me = me
        self.peer = peer
        self.link: Link | None = None
        """The connection in use."""
        self.epoch = 0
        """The highest epoch of a connection so far."""
        self._talk = Conversation(me.side, me.limits)
        self._born = 0
        self._fresh = self._name_next()
        self._greeting: set[Link] = set()
        self._pulse = Pulse(me)

    # what this side says

    @property
    def can_send(self) -> bool:
        """Say whether requests, replies and notices are taken now."""
        return self._talk.can_send

    def request(self, message: object) -> int:
        """Ask; give the number that `Replied` will carry.

        Raises:
            WindowFullError: too much is under way; wait for `Room`.
            OversizeError: the message does not fit into a frame.
        """
        return self._talk.request(message)

    def reply(self, call: int, message: object) -> None:
        """Answer a request, once: with the record its kind names, or `Failed`.

        Raises:
            UnknownCallError: the request was answered, or was of a session that was reset.
            WindowFullError: too much is under way; wait for `Room`.
            OversizeError: the message does not fit into a frame.
        """
        self._talk.reply(call, message)

    def notify(self, message: object) -> None:
        """Say what needs no answer; raises as `request` does."""
        self._talk.notify(message)

    def open(self, message: object) -> int:
        """Open a stream; give its number. Who reads it calls `grant` next. Raises as `request` does."""
        return self._talk.open(message)

    def room(self, stream: int) -> int:
        """Say how many bytes `send` takes for a stream now; `StreamRoom` and `Room` tell of more."""
        return self._talk.room(stream)

    def send(self, stream: int, data: bytes, *, gap: int = 0) -> None:
        """Send the next bytes of a stream, after `gap` bytes that are no more.

        Raises:
            UnknownCallError: the stream is not open for writing here.
            WindowFullError: it is more than `room` says.
            OversizeError: it is more than a chunk holds.
        """
        self._talk.chunk(stream, data, gap)

    def grant(self, stream: int, size: int) -> None:
        """Let the writer send `size` bytes more; call it for bytes that are kept."""
        self._talk.grant(stream, size)

    def end(self, stream: int, *, length: int = 0, sha256: str | None = None) -> None:
        """Say that all of a stream is sent."""
        self._talk.finish(stream, End(length=length, sha256=sha256))

    def cancel(self, stream: int, *, code: str = "cancelled", message: str = "") -> None:
        """Want no more of a stream."""
        self._talk.finish(stream, Cancel(code=code, message=message))

    def heartbeat(self, state: HostState, now: float) -> None:
        """Say how the machine does; for agents, after `BeatDue`."""
        if self.link is not None:
            self.link.say(Heartbeat(number=self._pulse.beat(now), state=state))

    # connections

    def connect(self, now: float) -> Link:
        """Say hello on a new connection; for controllers. The one in use goes on until the agent has answered."""
        self.epoch += 1
        link = Link(self.me.limits, now, epoch=self.epoch)
        link.say(
            Hello(
                controller=self.me.name,
                instance=self.me.instance,
                cluster=self.me.cluster,
                lease=self.me.lease,
                least=self.me.least,
                most=self.me.most,
                features=self.me.features,
                epoch=self.epoch,
                fresh=self._fresh,
                session=self._talk.id,
                received=self._talk.received,
                requests=self.me.limits.requests,
                streams=self.me.limits.streams,
            )
        )
        self._greeting.add(link)
        return link

    def accept(self, link: Link, hello: Hello, now: float) -> list[Event]:
        """Answer a hello; for agents. The connection in use is evicted.

        Raises:
            ProtocolError: versions or names do not fit, or a later connection is in use; nothing has changed.
        """
        agreed = agree(self.me, self.peer, hello)
        if hello.epoch <= self.epoch:
            raise ProtocolError("stale-epoch", f"epoch {hello.epoch} comes after {self.epoch}")
        resumed = bool(self._talk.id) and self._talk.id in (hello.session, hello.fresh)
        has = hello.received if resumed and self._talk.id == hello.session else 0
        if has > self._talk.outbox.last:
            raise ProtocolError("bad-ack", f"{has} messages are claimed")
        self.epoch = link.epoch = hello.epoch
        events = [] if resumed else self._begin(hello.fresh)
        self._talk.calls.most_out = hello.requests
        self._talk.streams.most_out = hello.streams
        link.say(
            Welcome(
                name=self.me.name,
                version=agreed.version,
                epoch=hello.epoch,
                session=self._talk.id,
                received=self._talk.received,
                facts=self.me.facts,
                features=agreed.features,
                requests=self.me.limits.requests,
                streams=self.me.limits.streams,
            )
        )
        opened = Opened(
            peer=self.peer, version=agreed.version, features=agreed.features, resumed=resumed
        )
        return events + self._use(link, has, now) + [opened]

    def receive(self, link: Link, data: bytes, now: float) -> list[Event]:
        """Take bytes from a connection; never raises for what the peer sent."""
        events: list[Event] = []
        if link.closed is not None:
            return events
        try:
            for frame in link.decoder.feed(data):
                link.heard = now
                events += self._take(link, frame, now)
        except ProtocolError as wrong:
            events += self._break(link, wrong)
        return events

    def lost(self, link: Link) -> list[Event]:
        """Note that a connection is no more."""
        return self._close(link, Goodbye(reason="lost"), ours=True, say=False)

    def close(self, goodbye: Goodbye) -> list[Event]:
        """Say goodbye on the connection in use; the session can be resumed unless the reason is `protocol`."""
        return [] if self.link is None else self._close(self.link, goodbye, ours=True)

    # time

    def deadline(self) -> float | None:
        """Say when `tick` is to be called at the latest; None while there is no connection."""
        times = [link.began + self.me.limits.greeting for link in self._greeting]
        if self.link is not None:
            times.append(self._pulse.deadline(self.link, self._talk.outbox))
        return min(times) if times else None

    def tick(self, now: float) -> list[Event]:
        """Do what is due."""
        limits = self.me.limits
        events: list[Event] = []
        for late in [one for one in self._greeting if now >= one.began + limits.greeting]:
            events += self._close(late, Goodbye(reason="late"), ours=True)
        link = self.link
        if link is None:
            return events
        if self._pulse.silent(link, self._talk.outbox, now):
            return events + self._close(link, Goodbye(reason="silent"), ours=True)
        if link.owing_since is not None and now >= link.owing_since + limits.delay:
            link.hurry()
        if self._pulse.beats(now):
            events.append(BeatDue())
        return events

    # what the peer says

    def _take(self, link: Link, frame: Frame, now: float) -> list[Event]:
        if link.closed is not None:
            return []  # it was closed by a frame that came with this one
        if link is not self.link:
            return self._greeted(link, frame, now)
        if frame.type is FrameType.CONTROL:
            events = self._talk.acknowledge(frame.ack)
            return events + (self._control(link, frame, now) if frame.header else [])
        events = self._talk.acknowledge(frame.ack) + self._talk.take(frame)
        link.received(
            self._talk.received, len(frame.header) + len(frame.payload), now, self.me.limits
        )
        return events

    def _control(self, link: Link, frame: Frame, now: float) -> list[Event]:
        message = _read_control(frame, self.me.side)
        if isinstance(message, Goodbye):
            return self._farewell(link, message)
        if isinstance(message, Heartbeat):
            link.answer_beat(message.number)
            return [Beat(number=message.number, state=message.state)]
        if isinstance(message, HeartbeatAck):
            took = self._pulse.answered(message.number, now)
            return [] if took is None else [BeatAnswered(number=message.number, took=took)]
        if isinstance(message, (Hello, Welcome)):
            raise ProtocolError("bad-greeting", "a connection is greeted twice")
        return []  # of a later version

    def _greeted(self, link: Link, frame: Frame, now: float) -> list[Event]:
        """Take the first frame of a connection of a controller: the welcome, or a goodbye."""
        message = _read_control(frame, self.me.side) if frame.header else None
        if isinstance(message, Goodbye):
            return self._farewell(link, message)
        if not isinstance(message, Welcome) or frame.type is not FrameType.CONTROL:
            raise ProtocolError("bad-greeting", "a connection does not begin with a welcome")
        agreed = check_welcome(self.me, self.peer, link.epoch, message)
        if self.link is not None and link.epoch < self.link.epoch:
            raise ProtocolError("evicted", "a later connection is in use")
        return self._welcomed(link, message, agreed, now)

    def _welcomed(self, link: Link, welcome: Welcome, agreed: Agreement, now: float) -> list[Event]:
        resumed = welcome.session == self._talk.id
        if not resumed and welcome.session != self._fresh:
            raise ProtocolError("bad-welcome", "welcome names a session that was not offered")
        if welcome.received > (self._talk.outbox.last if resumed else 0):
            raise ProtocolError("bad-ack", f"{welcome.received} messages are claimed")
        events = [] if resumed else self._begin(self._fresh)
        self._talk.calls.most_out = welcome.requests
        self._talk.streams.most_out = welcome.streams
        self._greeting.discard(link)
        events += self._use(link, welcome.received, now)
        opened = Opened(
            peer=self.peer,
            version=agreed.version,
            features=agreed.features,
            resumed=resumed,
            facts=welcome.facts,
        )
        return [*events, opened]

    # the life of sessions and connections

    def _begin(self, name: str) -> list[Event]:
        """Begin the session `name`; what was under way in one before it is told to be lost.

        What was said before there was any session is kept and becomes part of this one.
        """
        events: list[Event] = []
        if self._talk.id:
            events = self._reset()
        self._talk.id = name
        self._fresh = self._name_next()
        return events

    def _reset(self) -> list[Event]:
        before = self._talk
        self._talk = Conversation(self.me.side, self.me.limits, before)
        return [Reset(requests=before.calls.asked, streams=before.streams.numbers)]

    def _use(self, link: Link, has: int, now: float) -> list[Event]:
        """Make a connection the one in use, and evict the one before it."""
        events: list[Event] = []
        if self.link is not None:
            events = self._close(self.link, Goodbye(reason="evicted"), ours=True)
        self.link = link
        link.began = now
        self._pulse.begin(now)
        events += self._talk.acknowledge(has)
        link.attach(self._talk.outbox, has=has, received=self._talk.received)
        return events

    def _farewell(self, link: Link, goodbye: Goodbye) -> list[Event]:
        if goodbye.reason == "stale-epoch":
            self.epoch = max(self.epoch, goodbye.epoch)
        broken = goodbye.reason == "protocol" and link is self.link
        events = self._close(link, goodbye, ours=False, say=False)
        return events + (self._reset() if broken else [])

    def _break(self, link: Link, wrong: ProtocolError) -> list[Event]:
        """Answer a breach: the connection ends, and with it the session it carried."""
        broken = link is self.link
        events = self._close(link, farewell(wrong), ours=True)
        return events + (self._reset() if broken else [])

    def _close(self, link: Link, goodbye: Goodbye, *, ours: bool, say: bool = True) -> list[Event]:
        self._greeting.discard(link)
        if link is self.link:
            self.link = None
        if link.closed is not None:
            return []
        link.close(goodbye, say=say)
        return [Closed(link=link, goodbye=goodbye, ours=ours)]

    def _name_next(self) -> str:
        self._born += 1
        return f"{self.me.instance}.{self._born}"


def _read_control(frame: Frame, side: To) -> object:
    """Read a control message; None where it is of a kind that is not known here."""
    envelope = unpack(frame.header, frame.payload)
    if envelope.kind is None:
        return None
    if envelope.kind.to is not To.BOTH and envelope.kind.to is not side:
        raise ProtocolError("bad-direction", f"{envelope.name} is not for this side")
    try:
        return read_message(envelope)
    except ValueError as wrong:
        raise ProtocolError("malformed", f"{envelope.name}: {wrong}") from None
