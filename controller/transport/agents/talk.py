"""What is under way with one agent: requests without an answer, open streams, and the era they belong to.

Part of `peer`, which hands it the events of the wire session; the sessions of `session` ask through it. An era ends
when nobody knows any more what of it arrived: the agent has begun anew, or was away for too long. Callers then get
`SessionLostError` and ask again in the next; ids make that harmless.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from controller.agent.bell import Bell
from controller.agent.streams import Data, Stream, StreamCancelledError, StreamLostError
from controller.errors import RefusedError, SessionLostError
from controller.transport.agents import causes
from controller.transport.agents.errors import failure
from controller.transport.agents.scripts import LentScripts
from controller.wire.errors import OversizeError, UnknownCallError, WindowFullError
from controller.wire.events import (
    Event,
    Replied,
    Room,
    StreamCancelled,
    StreamData,
    StreamEnded,
    StreamOpened,
    StreamRoom,
)
from controller.wire.messages.server import Failed, Unsupported
from controller.wire.session import Session

T = TypeVar("T")


class AgentTalk:
    """Requests and streams of one agent.

    Args:
        name: of the server.
        session: what is spoken with it.
        settle: called when there is something to write.
    """

    __slots__ = (
        "_bell",
        "_calls",
        "_settle",
        "_streams",
        "era",
        "name",
        "over",
        "scripts",
        "session",
    )

    def __init__(self, name: str, session: Session, settle: Callable[[], None]) -> None:
        self.name = name
        self.session = session
        self.era = 0
        """Rises whenever what was under way is lost."""
        self.over = False
        """Say whether there will be no other era."""
        self.scripts = LentScripts()
        """What the agent may ask for."""
        self._settle = settle
        self._calls: dict[int, asyncio.Future[object]] = {}
        self._streams: dict[int, Stream] = {}
        self._bell = Bell()

    def check(self, era: int) -> None:
        """Refuse to go on where what was said before is lost.

        Raises:
            SessionLostError: it is.
        """
        if era != self.era or self.over:
            raise causes.lost(self.name, "its agent began anew, or was away for too long")

    async def ask(
        self, message: object, reply: type[T], *, era: int, within: float | None = None
    ) -> T:
        """Send a request and give its reply. Cancelling stops the waiting, not what was asked for.

        Args:
            message: what is asked.
            reply: the kind of its answer.
            era: which the caller belongs to.
            within: seconds for all of it; None where the agent may take as long as it needs.

        Raises:
            ControllerError: the agent says no; translated from its code.
            SessionLostError: nobody knows whether it arrived, or the answer did not come in time.
        """
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def request() -> int:
            number = self.session.request(message)
            self._calls[number] = answer
            return number

        number = 0
        try:
            async with asyncio.timeout(within):
                number = await self._say(era, request)
                found = await answer
        except TimeoutError as error:
            raise causes.lost(self.name, f"no answer within {within:g} s") from error
        finally:
            self._calls.pop(number, None)
        if isinstance(found, Failed | Unsupported):
            raise failure(self.name, found)
        if not isinstance(found, reply):
            raise causes.lost(self.name, f"it answered with a {type(found).__name__}")
        return found

    async def reply(self, call: int, message: object, *, era: int) -> None:
        """Answer what the agent asked, once; nothing where its session is gone.

        Raises:
            SessionLostError: nobody waits for it any more.
        """
        with contextlib.suppress(UnknownCallError):
            await self._say(era, lambda: self.session.reply(call, message))

    async def open(self, message: object, *, era: int, reads: bool) -> Stream:
        """Open a stream; where this side `reads`, the agent may send at once.

        Raises:
            SessionLostError: nobody knows whether it arrived.
        """

        def opened() -> Stream:
            number = self.session.open(message)
            stream = self._join(number)
            if reads:
                self.session.grant(number, self.session.me.limits.credit)
            return stream

        return await self._say(era, opened)

    async def leave(self, stream: Stream) -> None:
        """Want no more of a stream; nothing where it is over."""
        try:
            await stream.cancel("cancelled")
        finally:
            self._streams.pop(stream.number, None)

    def heed(self, event: Event) -> None:
        """Take what the agent says."""
        if isinstance(event, Replied):
            self._replied(event)
        elif isinstance(event, StreamData | StreamRoom | StreamEnded | StreamCancelled):
            self._streamed(event)
        elif isinstance(event, Room):
            self._bell.ring()
            for stream in self._streams.values():
                stream.eased()
        elif isinstance(event, StreamOpened):
            self.scripts.serve(event.message, self._join(event.stream), self._done_with)

    def end_era(self, error: SessionLostError) -> None:
        """Let nobody wait any longer for what is under way."""
        self.era += 1
        calls, self._calls = self._calls, {}
        for answer in calls.values():
            if not answer.done():
                answer.set_exception(SessionLostError(error.message, cause=error.cause))
                answer.exception()  # whoever waited may have gone
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.fail(StreamLostError(error.message))
            with contextlib.suppress(WindowFullError):  # then it is cancelled by being forgotten
                self.session.cancel(stream.number)
        self._bell.ring()

    def _join(self, number: int) -> Stream:
        stream = Stream(self.session, number, session=self, touched=self._settle)
        self._streams[number] = stream
        return stream

    def _done_with(self, stream: Stream) -> None:
        if self._streams.get(stream.number) is stream:
            del self._streams[stream.number]

    async def _say(self, era: int, say: Callable[[], T]) -> T:
        """Say something as soon as there is room."""
        while True:
            self.check(era)
            try:
                said = say()
            except WindowFullError:
                await self._bell.wait()
            except OversizeError as error:
                raise RefusedError(f"cannot ask the agent of {self.name}: {error}") from error
            else:
                self._settle()
                return said

    def _replied(self, event: Replied) -> None:
        answer = self._calls.pop(event.call, None)
        if answer is not None and not answer.done():
            answer.set_result(event.message)

    def _streamed(self, event: StreamData | StreamRoom | StreamEnded | StreamCancelled) -> None:
        stream = self._streams.get(event.stream)
        if stream is None:
            return  # nobody wants it any more
        if isinstance(event, StreamData):
            stream.take(Data(offset=event.offset, gap=event.gap, data=event.data))
        elif isinstance(event, StreamRoom):
            stream.eased()
        else:
            del self._streams[event.stream]
            if isinstance(event, StreamEnded):
                stream.finished(length=event.length, sha256=event.sha256)
            else:
                stream.fail(StreamCancelledError(event.code, event.message))
