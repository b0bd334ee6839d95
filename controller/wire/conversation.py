"""What outlives a connection: numbered messages both ways, requests, streams; the part of a session that is resumed.

`session` calls it with the frames of its connection, whichever that is; it calls `codec`, `outbox`, `calls` and `flow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, cast

from controller.wire.calls import Calls
from controller.wire.codec import Envelope, pack, read_message, unpack
from controller.wire.errors import OversizeError, ProtocolError, WindowFullError
from controller.wire.events import (
    Event,
    Notified,
    Replied,
    Requested,
    Room,
    StreamCancelled,
    StreamData,
    StreamEnded,
    StreamOpened,
    StreamRoom,
)
from controller.wire.flow import Streams
from controller.wire.frames import Frame, check_size
from controller.wire.limits import Limits
from controller.wire.messages.server import Failed, Unsupported, Why
from controller.wire.messages.streams import Cancel, Chunk, Credit, End
from controller.wire.messages.table import BY_RECORD, Kind, Manner, To
from controller.wire.outbox import Outbox


class Conversation:
    """The state of one session; `id` is empty until a handshake has named it.

    Args:
        side: who this end is.
        limits: what it takes.
        before: the session before, whose numbers are not given again: a late answer to it answers nothing here.
    """

    def __init__(self, side: To, limits: Limits, before: Conversation | None = None) -> None:
        self.id = ""
        self.received = 0
        """The highest number received; every one up to it was given to the shell once."""
        self.outbox = Outbox()
        self.calls = Calls(limits.requests)
        self.streams = Streams(side, limits.streams, limits.credit)
        if before is not None:
            self.calls.go_on(before.calls)
            self.streams.go_on(before.streams)
        self._side = side
        self._limits = limits
        self._refusals = 0
        self._starved = False  # somebody met a full window and waits for `Room`
        self._handlers: Mapping[Manner, Callable[[Envelope, Kind, object], list[Event]]] = {
            Manner.REQUEST: self._requested,
            Manner.REPLY: self._replied,
            Manner.OPENING: self._opened,
            Manner.STREAM: self._streamed,
            Manner.NOTICE: lambda _envelope, _kind, message: [Notified(message=message)],
        }

    # what this side says

    def request(self, message: object) -> int:
        """Ask; give the number that the reply will carry."""
        kind = self._own(message, Manner.REQUEST)
        self._check_room(self._limits.buffer)
        if self.calls.full or kind.reply is None:
            self._starved = True
            raise WindowFullError(f"cannot ask: {len(self.calls.asked)} requests have no reply yet")
        self._post(message, call=self.calls.next)
        return self.calls.ask(kind.reply)

    def reply(self, call: int, message: object) -> None:
        """Answer a request of the peer, once."""
        expected = self.calls.owed(call)
        if type(message) not in (expected, Failed, Unsupported):
            raise TypeError(f"cannot answer with {type(message).__name__}: not {expected.__name__}")
        self._check_room(self._limits.buffer)
        self._post(message, answer=call)
        self.calls.pay(call)

    def notify(self, message: object) -> None:
        """Say what needs no answer."""
        self._own(message, Manner.NOTICE)
        self._check_room(self._limits.buffer)
        self._post(message)

    def open(self, message: object) -> int:
        """Open a stream; give its number."""
        kind = self._own(message, Manner.OPENING)
        self._check_room(self._limits.buffer)
        number = self.streams.open(kind.flow, getattr(message, "offset", 0))
        try:
            self._post(message, stream=number)
        except OversizeError:
            self.streams.close(number)
            raise
        return number

    def chunk(self, stream: int, data: bytes, gap: int) -> None:
        """Send the next bytes of a stream."""
        if len(data) > self._limits.chunk:
            raise OversizeError(f"cannot send {len(data)} bytes, at most {self._limits.chunk}")
        self._check_room(self._limits.window)
        self._post(self.streams.write(stream, data, gap), stream=stream)

    def room(self, stream: int) -> int:
        """Say how many bytes of a stream may be sent now."""
        taken = self.streams.room(stream)
        free = self._limits.window - self.outbox.size
        if taken and (free <= 0 or len(self.outbox) >= self._limits.messages):
            self._starved = True
            return 0
        return min(taken, max(free, 0), self._limits.chunk)

    def finish(self, stream: int, message: End | Cancel) -> None:
        """Say that a stream is over; its number is free of meaning from now on."""
        if self.streams.find(stream) is None:
            return  # the peer was faster
        self._check_room(self._limits.buffer)
        self._post(message, stream=stream)
        self.streams.close(stream)

    def grant(self, stream: int, size: int) -> None:
        """Take more bytes of a stream; said as soon as there is room to say it."""
        if self.streams.find(stream) is not None:
            self.streams.grant(stream, size)
            self._say_grants()

    # what the peer says

    def acknowledge(self, number: int) -> list[Event]:
        """Drop what the peer has."""
        if not self.outbox.acknowledge(number):
            return []
        self._say_grants()
        return self._feed_the_starved()

    def take(self, frame: Frame) -> list[Event]:
        """Take a numbered frame: give what it says if it is the next, nothing if it came before.

        Raises:
            ProtocolError: it is neither, or it breaks a rule; nothing of this session can be trusted any more.
        """
        if frame.seq <= self.received:
            return []
        if frame.seq != self.received + 1:
            raise ProtocolError("gap", f"message {frame.seq} comes after {self.received}")
        self.received = frame.seq
        envelope = unpack(frame.header, frame.payload)
        kind = envelope.kind
        if kind is None:
            return self._refuse(envelope, "unknown", "")
        if kind.to is not To.BOTH and kind.to is not self._side:
            return self._refuse(envelope, "direction", "")
        try:
            message = read_message(envelope)
        except ValueError as wrong:
            if kind.manner in (Manner.REPLY, Manner.STREAM):
                raise ProtocolError("malformed", f"{kind.name}: {wrong}") from None
            return self._refuse(envelope, "malformed", str(wrong))
        return self._heed(envelope, kind, message)

    def _heed(self, envelope: Envelope, kind: Kind, message: object) -> list[Event]:
        if isinstance(message, Unsupported):
            return self._unsupported(envelope, message)
        handle = self._handlers.get(kind.manner)
        if handle is None:
            raise ProtocolError("bad-manner", f"{kind.name} is no numbered message")
        return handle(envelope, kind, message)

    def _requested(self, envelope: Envelope, kind: Kind, message: object) -> list[Event]:
        self.calls.owe(envelope.call, cast("type", kind.reply))
        return [Requested(call=envelope.call, message=message)]

    def _replied(self, envelope: Envelope, kind: Kind, message: object) -> list[Event]:
        expected = self.calls.settle(envelope.answer)
        if type(message) not in (expected, Failed):
            raise ProtocolError("bad-answer", f"{kind.name} does not answer the request")
        return [Replied(call=envelope.answer, message=message), *self._feed_the_starved()]

    def _opened(self, envelope: Envelope, kind: Kind, message: object) -> list[Event]:
        self.streams.opened(envelope.stream, kind.flow, getattr(message, "offset", 0))
        return [StreamOpened(stream=envelope.stream, message=message)]

    def _streamed(self, envelope: Envelope, kind: Kind, message: object) -> list[Event]:
        number = envelope.stream
        if self.streams.find(number) is None:
            if self.streams.known(number):
                return []  # closed here while this was under way
            raise ProtocolError("bad-stream", f"stream {number} was never opened")
        if isinstance(message, Chunk):
            self.streams.read(number, message)
            return [
                StreamData(stream=number, offset=message.offset, gap=message.gap, data=message.data)
            ]
        if isinstance(message, Credit):
            self.streams.granted(number, message.size)
            return [StreamRoom(stream=number)]
        return [self._over(number, message)]

    def _over(self, number: int, message: object) -> Event:
        if isinstance(message, End):
            self.streams.ended(number)
            return StreamEnded(stream=number, length=message.length, sha256=message.sha256)
        self.streams.close(number)
        cancel = message if isinstance(message, Cancel) else Cancel()
        return StreamCancelled(stream=number, code=cancel.code, message=cancel.message)

    def _unsupported(self, envelope: Envelope, message: Unsupported) -> list[Event]:
        """The peer did not take something; whatever waits for it has its answer."""
        if envelope.answer:
            self.calls.settle(envelope.answer)
            return [Replied(call=envelope.answer, message=message), *self._feed_the_starved()]
        if envelope.stream:
            if not self.streams.known(envelope.stream):
                raise ProtocolError("bad-stream", f"stream {envelope.stream} was never opened")
            self.streams.close(envelope.stream)
            return [
                StreamCancelled(stream=envelope.stream, code="unsupported", message=message.message)
            ]
        return [Notified(message=message)]

    def _refuse(self, envelope: Envelope, why: Why, words: str) -> list[Event]:
        """Answer what this side does not take; too often is a breach."""
        self._refusals += 1
        if self._refusals > self._limits.refusals or len(self.outbox) >= 2 * self._limits.messages:
            raise ProtocolError("too-many-refusals", f"{self._refusals} messages were refused")
        if envelope.answer:  # a reply nobody here can read is still the reply
            self.calls.settle(envelope.answer)
            failed = Failed(code="unsupported", message=f"the reply is {why} here")
            return [Replied(call=envelope.answer, message=failed), *self._feed_the_starved()]
        if envelope.stream:
            self.streams.refuse(envelope.stream)
        refusal = Unsupported(of=envelope.name, why=why, message=words)
        self._post(refusal, answer=envelope.call, stream=envelope.stream)
        return []

    # room

    @property
    def can_send(self) -> bool:
        """Say whether a message would be taken now."""
        limits, outbox = self._limits, self.outbox
        return outbox.size < limits.buffer and len(outbox) < limits.messages

    def _check_room(self, most: int) -> None:
        outbox = self.outbox
        if outbox.size >= most or len(outbox) >= self._limits.messages:
            self._starved = True
            raise WindowFullError(
                f"cannot send: {len(outbox)} messages, {outbox.size} bytes are not acknowledged yet"
            )

    def _feed_the_starved(self) -> list[Event]:
        if not self._starved:
            return []
        limits, outbox = self._limits, self.outbox
        room = outbox.size * 2 <= limits.window and len(outbox) * 2 <= limits.messages
        if not room or self.calls.full:
            return []
        self._starved = False
        return [Room()]

    def _say_grants(self) -> None:
        if self.can_send:
            for number, size in self.streams.due().items():
                self._post(Credit(size=size), stream=number)

    def _own(self, message: object, manner: Manner) -> Kind:
        """Check that this side may send a message in this manner."""
        kind = BY_RECORD[type(message)]
        if kind.manner is not manner or kind.to is self._side:
            raise TypeError(f"cannot send {kind.name} as {manner.value} from this side")
        return kind

    def _post(self, message: object, *, call: int = 0, answer: int = 0, stream: int = 0) -> None:
        header, payload = pack(message, call=call, answer=answer, stream=stream)
        check_size(header, payload, self._limits)
        self.outbox.add(header, payload)
