"""The scripts that one agent may fetch by their digest: those it is being asked to run, and only meanwhile.

`attempts` lends them; `talk` hands over the streams by which the agent asks. An agent that was taken over learns nothing
here: what it was not sent by name does not exist for it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from controller.agent.streams import Stream, StreamCancelledError, StreamLostError
from controller.wire.messages.streams import OpenScript

SCRIPT_SECONDS: Final = 60.0
"""For all of one script; the streams of one agent are as many as the wire allows."""
PIECE: Final = 256 << 10


class LentScripts:
    """What an agent may fetch now."""

    __slots__ = ("_lent", "_serving")

    def __init__(self) -> None:
        self._lent: list[tuple[str, bytes]] = []
        self._serving: set[asyncio.Task[None]] = set()

    @contextmanager
    def lend(self, text: bytes) -> Iterator[None]:
        """Let the agent fetch a script meanwhile; an empty one is none."""
        one = (hashlib.sha256(text).hexdigest(), text)
        if not text:
            yield
            return
        self._lent.append(one)
        try:
            yield
        finally:
            self._lent.remove(one)

    def serve(self, asked: object, stream: Stream, done: Callable[[Stream], None]) -> None:
        """Send what a stream was opened for, beside everything else.

        Args:
            asked: the message that opened it.
            stream: takes it, at the agent's pace.
            done: called at its end.
        """
        task = asyncio.get_running_loop().create_task(self._send(asked, stream))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: done(stream))

    async def _send(self, asked: object, stream: Stream) -> None:
        with suppress(StreamCancelledError, StreamLostError):
            text = self._find(asked)
            if text is None:
                await stream.cancel("not-found", "there is no such script to be run")
                return
            try:
                async with asyncio.timeout(SCRIPT_SECONDS):
                    await pour(text, stream)
            except TimeoutError:
                await stream.cancel("late", f"it was not taken within {SCRIPT_SECONDS:.0f} s")

    def _find(self, asked: object) -> bytes | None:
        """Give what is left of a script that is lent."""
        if not isinstance(asked, OpenScript):
            return None
        found = (text for digest, text in self._lent if digest == asked.sha256)
        text = next(found, None)
        return None if text is None else text[asked.offset :]


async def pour(text: bytes, stream: Stream) -> None:
    """Send bytes and their end."""
    for place in range(0, len(text), PIECE):
        await stream.write(text[place : place + PIECE])
    await stream.end(length=len(text), sha256=hashlib.sha256(text).hexdigest())
