"""What one session has under way: a task for each request and each stream, none of which another waits for.

`pump` makes one for each session of `wire` and hands it the events; it calls whoever answers, and says the replies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Callable, TypeVar, cast

from controller.agent.asker import Answerer, Asker
from controller.agent.bell import Bell
from controller.agent.crew import Crew
from controller.agent.errors import AgentError
from controller.agent.streams import Data, Stream, StreamCancelledError, StreamLostError
from controller.agent.telling import Telling
from controller.execution.errors import BrokenError, ExecutionError
from controller.wire.errors import OversizeError, UnknownCallError, WindowFullError
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
from controller.wire.messages.attempts import WaitAttempt
from controller.wire.messages.news import Noted
from controller.wire.messages.server import Failed
from controller.wire.messages.streams import OpenScript
from controller.wire.messages.table import BY_RECORD, Flow
from controller.wire.session import Session

LONGEST = 2_000
"""Characters of a message or a hint."""
_Done = TypeVar("_Done")


class Talk:
    """One session, from its first message to its loss.

    Args:
        wire: the session.
        answers: answers.
        crew: runs the tasks.
        touched: called when there is something to write.
    """

    def __init__(
        self, wire: Session, answers: Answerer, crew: Crew, touched: Callable[[], None]
    ) -> None:
        self.key = object()
        """What `Asker.session` and `Stream.session` are."""
        self._wire = wire
        self._answers = answers
        self._crew = crew
        self._touched = touched
        self._streams: dict[int, Stream] = {}
        self._waits: set[asyncio.Task[None]] = set()
        self._asked: dict[int, asyncio.Future[object]] = {}
        self._room = Bell()
        self._lost = False
        self._telling: Telling | None = None
        self._handlers: Mapping[type, Callable[[Event, Asker], None]] = {
            Requested: lambda event, asker: self._requested(cast("Requested", event), asker),
            Replied: lambda event, _: self._replied(cast("Replied", event)),
            Notified: lambda event, asker: self._notified(cast("Notified", event), asker),
            StreamOpened: lambda event, asker: self._opened(cast("StreamOpened", event), asker),
            StreamData: lambda event, _: self._data(cast("StreamData", event)),
            StreamRoom: lambda event, _: self._stream_room(cast("StreamRoom", event)),
            StreamEnded: lambda event, _: self._ended(cast("StreamEnded", event)),
            StreamCancelled: lambda event, _: self._cancelled(cast("StreamCancelled", event)),
            Room: lambda _, __: self._eased(),
        }

    def heed(self, event: Event, asker: Asker) -> None:
        """Do what an event asks; never waits."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event, asker)

    def tell(self) -> None:
        """Say the news in this session from now on; for controllers."""
        if self._telling is None:
            self._telling = Telling(self._wire, self._answers, self._touched)

    async def ask(self, message: object) -> object:
        """Ask the other side something; give what it answers, `Failed` and `Unsupported` as well.

        Raises:
            StreamLostError: the session is gone.
        """
        number = await self._said(message)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._touched()
        try:
            return await answer
        finally:
            self._asked.pop(number, None)

    def leave(self) -> None:
        """Note that the session has no connection for now."""
        self._answers.left(self.key)

    def lose(self) -> None:
        """Note that the session is gone. What was begun is brought to its end; who only waits, waits no more."""
        self._lost = True
        self.leave()
        if self._telling is not None:
            self._telling.close()
        for task in self._waits:
            task.cancel()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(StreamLostError("the session is gone"))
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.fail(StreamLostError("the session is gone"))
        self._room.ring()

    # requests

    async def _said(self, message: object) -> int:
        """Send a request once there is room; give its number."""
        while not self._lost:
            with contextlib.suppress(WindowFullError):
                return self._wire.request(message)
            await self._room.wait()
        raise StreamLostError("the session is gone")

    def _replied(self, event: Replied) -> None:
        answer = self._asked.get(event.call)
        if answer is not None and not answer.done():
            answer.set_result(event.message)

    def _requested(self, event: Requested, asker: Asker) -> None:
        if self._crew.full(asker):
            self._crew.start(self._reply(event.call, self._crew.refusal), asker)
            return
        task = self._crew.start(self._answer(event, asker), asker)
        if isinstance(event.message, WaitAttempt):
            self._waits.add(task)
            task.add_done_callback(self._waits.discard)

    async def _answer(self, event: Requested, asker: Asker) -> None:
        answering = self._answers.answer(asker, event.message, self._fetch)
        reply, failed = await self._judged(answering)
        await self._reply(event.call, failed or reply)

    async def _reply(self, call: int, reply: object) -> None:
        """Say a reply; waits while too much is under way."""
        while not self._lost:
            with contextlib.suppress(WindowFullError):
                self._say(call, reply)
                self._touched()
                return
            await self._room.wait()

    def _say(self, call: int, reply: object) -> None:
        try:
            self._wire.reply(call, reply)
        except UnknownCallError:
            return  # of a session that was reset meanwhile
        except OversizeError as error:
            self._wire.reply(call, Failed(code="too-large", message=str(error)))
        except TypeError as error:
            self._crew.fault("a reply", error)
            self._wire.reply(call, _internal(error))

    async def _judged(self, doing: Awaitable[_Done]) -> tuple[_Done | None, Failed | None]:
        """Await what answers; give its result, or what it failed with."""
        try:
            return await doing, None
        except (AgentError, ExecutionError) as error:
            if isinstance(error, BrokenError):
                self._crew.broken(error)
            return None, _failed(error)
        except (StreamCancelledError, StreamLostError) as error:
            return None, Failed(code="cut", message=str(error)[:LONGEST])
        except Exception as error:  # noqa: BLE001 — a fault in one answer must not end the agent
            self._crew.fault("an answer", error)
            return None, _internal(error)

    async def _fetch(self, sha256: str) -> AsyncIterator[bytes]:
        """Read a script of the controller that asks, by its digest."""
        stream = await self._open(OpenScript(sha256=sha256))
        stream.kept(self._wire.me.limits.credit)
        try:
            data = await stream.read()
            while data is not None:
                yield data.data
                stream.kept(len(data.data))
                data = await stream.read()
        finally:
            self._streams.pop(stream.number, None)
            await stream.cancel("enough")

    async def _open(self, message: object) -> Stream:
        """Open a stream towards the other side, once there is room."""
        while not self._lost:
            with contextlib.suppress(WindowFullError):
                return self._join(self._wire.open(message))
            await self._room.wait()
        raise StreamLostError("the session is gone")

    # streams

    def _opened(self, event: StreamOpened, asker: Asker) -> None:
        stream = self._join(event.stream)
        if BY_RECORD[type(event.message)].flow is Flow.WRITE:
            stream.kept(self._wire.me.limits.credit)
        full = self._crew.full(asker)
        serving = self._turn_away(stream) if full else self._serve(event, asker, stream)
        self._crew.start(serving, asker)

    async def _serve(self, event: StreamOpened, asker: Asker, stream: Stream) -> None:
        try:
            serving = self._answers.stream(asker, event.message, stream)
            _, failed = await self._judged(serving)
            if failed is not None:
                await stream.cancel(failed.code, failed.message)
            else:
                await stream.cancel("unfinished")
        finally:
            self._streams.pop(event.stream, None)

    async def _turn_away(self, stream: Stream) -> None:
        await stream.cancel(self._crew.refusal.code, self._crew.refusal.message)
        self._streams.pop(stream.number, None)

    def _join(self, number: int) -> Stream:
        stream = Stream(self._wire, number, session=self.key, touched=self._touched)
        self._streams[number] = stream
        return stream

    def _data(self, event: StreamData) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.take(Data(offset=event.offset, gap=event.gap, data=event.data))

    def _stream_room(self, event: StreamRoom) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.eased()

    def _ended(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.finished(length=event.length, sha256=event.sha256)
        self._room.ring()  # another may be opened

    def _cancelled(self, event: StreamCancelled) -> None:
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.fail(StreamCancelledError(event.code, event.message))
        self._room.ring()

    # notices and room

    def _notified(self, event: Notified, asker: Asker) -> None:
        if isinstance(event.message, Noted) and asker.role == "controller":
            self._answers.noted(event.message.number)

    def _eased(self) -> None:
        self._room.ring()
        for stream in self._streams.values():
            stream.eased()
        if self._telling is not None:
            self._telling.eased()


def _failed(error: AgentError | ExecutionError) -> Failed:
    return Failed(
        code=error.reference, message=error.message[:LONGEST], hint=(error.hint or "")[:LONGEST]
    )


def _internal(error: Exception) -> Failed:
    return Failed(
        code="internal",
        message=f"the agent met a fault of its own: {type(error).__name__}",
        hint="its log says where",
    )
