"""What the parts of an agent's session share: the talk they ask through, and the era they were opened in.

Part of `session`; it calls `talk`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Final, Protocol, TypeVar

from controller.agent.streams import Data, Stream
from controller.errors import RefusedError
from controller.transport.agents import causes
from controller.transport.agents.errors import streaming
from controller.transport.agents.talk import AgentTalk

T = TypeVar("T")
PAGES: Final = 10_000
"""Pages of one list: an agent that always says there is more does not keep us for ever."""
ANSWER_SECONDS: Final = 60.0
"""For an answer that needs no waiting there."""
PIECE_SECONDS: Final = 60.0
"""For the next bytes of a file, in either direction."""


class Page(Protocol):
    """A part of a list."""

    @property
    def more(self) -> bool:
        """Say whether others follow."""
        ...


P = TypeVar("P", bound=Page)


class AgentCalls:
    """Asks one agent, as long as what was said before is not lost and the session not given back."""

    def __init__(self, talk: AgentTalk) -> None:
        self._talk = talk
        self._era = talk.era
        self._given_back = False

    async def _ask(
        self, message: object, reply: type[T], *, within: float | None = ANSWER_SECONDS
    ) -> T:
        self._check()
        return await self._talk.ask(message, reply, era=self._era, within=within)

    async def _read(
        self, message: object, *, within: float | None = None
    ) -> AsyncGenerator[Data, None]:
        """Open a stream and give what comes; the agent may send more once it is asked for the next.

        Args:
            message: opens it.
            within: seconds for the next bytes; None where there may be none for as long as it takes.
        """
        self._check()
        async with streaming(self._talk.name):
            stream = await self._talk.open(message, era=self._era, reads=True)
            try:
                while (came := await self._next(stream, within)) is not None:
                    yield came
                    stream.kept(len(came.data))
            finally:
                await self._talk.leave(stream)

    async def _next(self, stream: Stream, within: float | None) -> Data | None:
        """Wait for what comes next; pieces in which nothing is are passed over, and gain no time."""
        try:
            async with asyncio.timeout(within):
                while (came := await stream.read()) is not None:
                    if came.data or came.gap:
                        break
                return came
        except TimeoutError as error:
            raise causes.lost(self._talk.name, f"no bytes for {within:g} s") from error

    async def _write(
        self,
        message: object,
        pieces: AsyncIterator[bytes],
        turn: Callable[[], Awaitable[object]] | None = None,
    ) -> int:
        """Open a stream, send all and end it; give its number.

        Args:
            message: opens it.
            pieces: what is sent.
            turn: asks the agent for anything before the end, so that a refusal is here before the answer is.
        """
        self._check()
        async with streaming(self._talk.name):
            stream = await self._talk.open(message, era=self._era, reads=False)
            try:
                length = await self._pour(stream, pieces)
                if turn is not None:
                    await turn()
                    if stream.over:
                        await stream.read()
                await stream.end(length=length)
            except BaseException:
                await self._talk.leave(stream)
                raise
            return stream.number

    async def _pages(
        self, ask: Callable[[str], object], reply: type[P], last: Callable[[P], str]
    ) -> AsyncGenerator[P, None]:
        """Ask for a list, page by page.

        Args:
            ask: makes the message for what comes after a name.
            reply: a page.
            last: the last name on it.
        """
        after = ""
        for _ in range(PAGES):
            page = await self._ask(ask(after), reply)
            yield page
            if not page.more:
                return
            before, after = after, last(page)
            if after <= before:
                break
        raise RefusedError(f"cannot read a list of the agent of {self._talk.name}: it has no end")

    async def _pour(self, stream: Stream, pieces: AsyncIterator[bytes]) -> int:
        length = 0
        async for piece in pieces:
            try:
                async with asyncio.timeout(PIECE_SECONDS):
                    await stream.write(piece)
            except TimeoutError as error:
                why = f"it took no bytes for {PIECE_SECONDS:g} s"
                raise causes.lost(self._talk.name, why) from error
            length += len(piece)
        return length

    def _check(self) -> None:
        if self._given_back:
            raise causes.lost(self._talk.name, "the session was given back")
