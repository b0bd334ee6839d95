"""One channel with a runner at its other end: requests go out, replies come back to whoever asked.

Called by `lines`; it calls `protocol`. A channel that breaks fails everybody who waits on it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.transport.channel import Channel
from controller.transport.protocol import PUSH, Framer, Reply

READ_BYTES: Final = 1 << 16
WRITE_BYTES: Final = 1 << 18
"""A large request goes out in pieces, so that a slow server holds up the sender and nothing is buffered twice."""
ANSWER_SECONDS: Final = 60.0
LONG_LINE: Final = 8192
"""From here on a request goes as a counted block: `read` costs the server a system call a byte, a block 1 ms."""
PARTS: Final = 10_000
"""Replies to one request, at most."""


@dataclass(slots=True)
class Waiting:
    """One request that is not fully answered."""

    answer: asyncio.Future[list[Reply]]
    parts: list[Reply] = field(default_factory=list)


class Line:
    """Requests and replies over one channel; safe for many tasks at once."""

    def __init__(
        self, channel: Channel, *, server: str, nonce: str, on_push: Callable[[Reply], None]
    ) -> None:
        self._channel = channel
        self._server = server
        self._framer = Framer(nonce)
        self._on_push = on_push
        self._waiting: dict[str, Waiting] = {}
        self._count = 0
        self._lost: SessionLostError | None = None
        self._sending = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self.blocks = False
        self.ended: asyncio.Future[SessionLostError] = asyncio.get_running_loop().create_future()

    @property
    def lost(self) -> bool:
        """Say whether the other end is gone."""
        return self._lost is not None

    async def greet(self, text: bytes, *, within: float) -> Reply:
        """Send the runner itself and wait for its first words, which answer request 0.

        Raises:
            SessionLostError: the other end is gone or says nothing in time.
        """
        hello = self._expect("0")
        self._reading = asyncio.create_task(self._read())
        try:
            await self._send(text)
        except SessionLostError as error:  # who hangs up before all has arrived may have said why
            complaint = await self._channel.complaint()
            raise SessionLostError(
                f"{error.message}{': ' + complaint if complaint else ''}", cause=error.cause
            ) from error
        return (await self._await(hello, within))[-1]

    async def ask(
        self, request: bytes, *, payload: bytes = b"", within: float = ANSWER_SECONDS
    ) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            TransportError: the runner says that it could not be done.
            SessionLostError: the other end is gone or does not answer in time.
        """
        return (await self.collect(request, payload=payload, within=within))[-1]

    async def collect(
        self, request: bytes, *, payload: bytes = b"", within: float = ANSWER_SECONDS
    ) -> list[Reply]:
        """Send a request and wait for all its answers; the last one says only that it is the last."""
        self._count += 1
        number = str(self._count)
        waiting = self._expect(number)
        text = b"r=" + number.encode() + b" " + request
        if self.blocks and len(text) > LONG_LINE:
            await self._send(b"+%d\n" % len(text) + text, payload)
        else:
            await self._send(text + b"\n", payload)
        replies = await self._await(waiting, within)
        problem = replies[-1].text("error")
        if problem == Unreachable.STATE:
            said = replies[-1].text("msg")
            raise TransportError(f"{self._server}: {said[:500]}", cause=Unreachable.STATE)
        return replies

    async def close(self) -> None:
        """Close the channel and fail whoever still waits."""
        await self._channel.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._fail("the session was closed")

    def _expect(self, number: str) -> Waiting:
        if self._lost is not None:
            raise self._lost
        waiting = Waiting(answer=asyncio.get_running_loop().create_future())
        self._waiting[number] = waiting
        return waiting

    async def _send(self, *data: bytes) -> None:
        """Write whole requests, one after the other; one that was begun is finished."""
        await asyncio.shield(asyncio.create_task(self._write(data)))

    async def _write(self, data: Sequence[bytes]) -> None:
        async with self._sending:
            try:
                for part in data:
                    for at in range(0, len(part), WRITE_BYTES):
                        await self._channel.write(part[at : at + WRITE_BYTES])
            except SessionLostError as error:
                self._fail(error.message)
                raise

    async def _await(self, waiting: Waiting, within: float) -> list[Reply]:
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(waiting.answer)
        except TimeoutError as error:
            raise self._fail(f"no answer within {within:g} s") from error

    async def _read(self) -> None:
        """Hand out replies until the other end is gone."""
        reason = "the other end is gone"
        try:
            while data := await self._channel.read(READ_BYTES):
                for reply in self._framer.feed(data):
                    self._dispatch(reply)
        except SessionLostError as error:
            reason = error.message
        complaint = await self._channel.complaint()
        self._fail(f"{reason}{': ' + complaint if complaint else ''}")

    def _dispatch(self, reply: Reply) -> None:
        if reply.request == PUSH:
            self._on_push(reply)
            return
        waiting = self._waiting.get(reply.request)
        if waiting is None:
            return
        waiting.parts.append(reply)
        if reply.text("more") and len(waiting.parts) < PARTS:
            return
        del self._waiting[reply.request]
        if not waiting.answer.done():
            waiting.answer.set_result(waiting.parts)

    def _fail(self, reason: str) -> SessionLostError:
        """Fail whoever waits, and whoever asks from now on; give the error they get."""
        if self._lost is None:
            self._lost = SessionLostError(
                f"the session with {self._server} was lost: {reason}"[:1000],
                cause=Unreachable.LOST,
            )
            self.ended.set_result(self._lost)
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.answer.done():
                one.answer.set_exception(self._lost)
                one.answer.exception()  # seen: nobody may be waiting any more
        return self._lost
