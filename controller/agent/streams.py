"""One open stream of a session, for code that awaits: bytes in, bytes out, both at the pace of whoever reads.

`talks` makes one for each stream that is opened and tells it what comes; whoever serves the stream calls the rest. It
calls the session of `wire`.
"""

from __future__ import annotations

from collections import deque
from typing import Callable

from controller.agent.bell import Bell
from controller.wire.errors import UnknownCallError, WindowFullError
from controller.wire.record import record
from controller.wire.session import Session


class StreamCancelledError(Exception):
    """The other side wants no more of a stream, or it was cancelled here.

    Args:
        code: why, in kebab case.
        message: what went wrong, in the other side's words.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message


class StreamLostError(Exception):
    """The session is gone, and the stream with it; what was under way may have arrived or not."""


@record
class Data:
    """Bytes from `offset` on; `gap` bytes before it are no more."""

    offset: int
    gap: int
    data: bytes


class Stream:
    """One end of a stream.

    Args:
        wire: the session it belongs to.
        number: its number there.
        session: what `Asker.session` of the same session is.
        touched: called when there is something to write to the connection.
    """

    def __init__(
        self, wire: Session, number: int, *, session: object, touched: Callable[[], None]
    ) -> None:
        self.number = number
        self.session = session
        self.length = 0
        """Bytes in all, as the writer said at the end."""
        self.sha256: str | None = None
        """Of all bytes, as the writer said at the end."""
        self._wire = wire
        self._touched = touched
        self._bell = Bell()
        self._came: deque[Data] = deque()
        self._ended = False
        self._wrong: Exception | None = None

    # for whoever serves it

    @property
    def over(self) -> bool:
        """Say whether nothing more can be sent."""
        return self._ended or self._wrong is not None

    async def read(self) -> Data | None:
        """Wait for the next bytes; None at the end.

        Raises:
            StreamCancelledError: the other side cancelled.
            StreamLostError: the session is gone.
        """
        while not self._came:
            if self._wrong is not None:
                raise self._wrong
            if self._ended:
                return None
            await self._bell.wait()
        return self._came.popleft()

    def kept(self, size: int) -> None:
        """Let the other side send `size` bytes more, for bytes that are safe here."""
        if not self.over:
            self._wire.grant(self.number, size)
            self._touched()

    async def write(self, data: bytes, *, gap: int = 0) -> None:
        """Send bytes, after `gap` bytes that are no more; waits for room.

        Raises:
            StreamCancelledError: the other side cancelled.
            StreamLostError: the session is gone.
        """
        sent = 0
        while sent < len(data) or gap:
            self._check()
            room = self._wire.room(self.number)
            if not room:
                await self._bell.wait()
                continue
            self._wire.send(self.number, data[sent : sent + room], gap=gap)
            sent, gap = sent + room, 0
            self._touched()

    async def end(self, *, length: int = 0, sha256: str | None = None) -> None:
        """Say that all is sent; raises as `write` does."""
        await self._finish(lambda: self._wire.end(self.number, length=length, sha256=sha256))
        self._ended = True

    async def cancel(self, code: str, message: str = "") -> None:
        """Want no more of it; nothing where it is over already."""
        if self.over:
            return
        try:
            await self._finish(lambda: self._wire.cancel(self.number, code=code, message=message))
        except (StreamCancelledError, StreamLostError):
            return  # it was over while this waited for room
        self._wrong = StreamCancelledError(code, message)

    # for the talk

    def take(self, data: Data) -> None:
        """Take bytes that came; credit bounds how many lie here, and pieces without any lie together."""
        if self._came and not self._came[-1].data:
            before = self._came.pop()
            data = Data(offset=data.offset, gap=before.gap + data.gap, data=data.data)
        self._came.append(data)
        self._bell.ring()

    def eased(self) -> None:
        """Note that there may be room."""
        self._bell.ring()

    def finished(self, *, length: int, sha256: str | None) -> None:
        """Note that the other side has sent all."""
        self._ended = True
        self.length, self.sha256 = length, sha256
        self._bell.ring()

    def fail(self, wrong: StreamCancelledError | StreamLostError) -> None:
        """Note that it is over before its end."""
        self._wrong = self._wrong or wrong
        self._bell.ring()

    async def _finish(self, say: Callable[[], None]) -> None:
        while True:
            self._check()
            try:
                say()
            except WindowFullError:
                await self._bell.wait()
            except UnknownCallError as error:
                raise StreamLostError(str(error)) from error
            else:
                self._touched()
                return

    def _check(self) -> None:
        if self._wrong is not None:
            raise self._wrong
        if self._ended:
            raise StreamCancelledError("ended", "the stream has ended")
