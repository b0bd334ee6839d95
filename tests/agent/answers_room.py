"""A room for tests of what an agent answers: its folders, whoever asks, and streams without a wire."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from controller.agent.answering import Answers
from controller.agent.asker import Asker, Fetch, Role
from controller.agent.settings import Settings
from controller.agent.streams import Data, Stream, StreamCancelledError
from controller.wire.codec import pack, read_message, unpack
from controller.wire.messages.attempts import Attempt, Start, WaitAttempt
from controller.wire.messages.streams import OpenOutput, OpenUpload
from tests.fakes import processes

_Reply = TypeVar("_Reply")
PIECE = 100_000


def asker(name: str = "main", role: Role = "controller", session: object = "one") -> Asker:
    """Somebody who asks."""
    return Asker(name=name, role=role, serial="01", session=session)


MAIN = asker()
OPS = asker("ops", "admin", "two")
ANA = asker("ana", "user", "three")


async def no_fetch(sha256: str) -> AsyncIterator[bytes]:
    """Have no script."""
    if sha256:
        raise StreamCancelledError("not-found", f"no script {sha256[:8]}")
    yield b""


class Line:
    """A stream that lies in memory: what is written here is taken, what is to be read is given."""

    def __init__(self, number: int = 1, *, session: object = "one", offset: int = 0) -> None:
        self.number = number
        self.session = session
        self.taken = bytearray()
        self.gaps: list[tuple[int, int]] = []
        self.offset = offset
        self.ended: tuple[int, str | None] | None = None
        self.granted = 0
        self.came: asyncio.Queue[Data | Exception | None] = asyncio.Queue()
        self.written = 0

    async def read(self) -> Data | None:
        came = await self.came.get()
        if isinstance(came, Exception):
            raise came
        return came

    def kept(self, size: int) -> None:
        self.granted += size

    async def write(self, data: bytes, *, gap: int = 0) -> None:
        assert self.ended is None
        await asyncio.sleep(0)
        if gap:
            self.gaps.append((self.offset, gap))
        self.offset += gap + len(data)
        self.taken += data

    async def end(self, *, length: int = 0, sha256: str | None = None) -> None:
        self.ended = (length, sha256)

    async def cancel(self, code: str, message: str = "") -> None:
        raise AssertionError(f"{code}: {message}")

    def give(self, data: bytes, *, end: bool = True) -> Line:
        """Have bytes come, and their end."""
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self.came.put_nowait(Data(offset=self.written, gap=0, data=piece))
            self.written += len(piece)
        if end:
            self.came.put_nowait(None)
        return self


@dataclass(kw_only=True)
class Room:
    """The folders of an agent, and the agents that come and go on them."""

    folder: Path
    more: dict[str, object] = field(default_factory=dict)
    job: str = field(default_factory=lambda: f"j{secrets.token_hex(5)}")
    project: str = field(default_factory=lambda: f"p{secrets.token_hex(5)}")
    answers: Answers | None = None
    count: int = 0

    @property
    def base(self) -> Path:
        return Path(str(self.more.get("base", self.folder / "base")))

    async def open(self, **more: object) -> Answers:
        """Have an agent."""
        self.more.update(more)
        words: dict[str, object] = {
            "state": str(self.folder / "state"),
            "base": str(self.base),
            "workers": 4,
            **self.more,
        }
        self.answers = Answers(Settings(**words))  # type: ignore[arg-type]
        await self.answers.open()
        return self.answers

    async def again(self, **more: object) -> Answers:
        """Have another one after it."""
        await self.close()
        return await self.open(**more)

    async def close(self) -> None:
        if self.answers is not None:
            answers, self.answers = self.answers, None
            await answers.close()

    async def ask(
        self,
        message: object,
        kind: type[_Reply],
        who: Asker = MAIN,
        fetch: Fetch = no_fetch,
    ) -> _Reply:
        """Ask over what the wire would make of the message, and give what it would make of the reply."""
        assert self.answers is not None
        reply = await self.answers.answer(who, over_the_wire(message), fetch)
        assert type(reply) is kind
        return cast("_Reply", over_the_wire(reply))

    async def serve(self, message: object, line: Line | None = None, who: Asker = MAIN) -> Line:
        """Serve a stream to its end."""
        assert self.answers is not None
        line = line or Line(session=who.session, offset=getattr(message, "offset", 0))
        await self.answers.stream(who, over_the_wire(message), cast("Stream", line))
        return line

    def start_of(self, text: str | bytes, **more: object) -> Start:
        """Describe one more attempt."""
        self.count += 1
        raw = text.encode() if isinstance(text, str) else text
        words: dict[str, object] = {
            "id": f"{self.job}.{self.count}",
            "job": self.job,
            "workdir": "/",
            "text": raw,
            **more,
        }
        return Start(**words)  # type: ignore[arg-type]

    async def start(self, text: str | bytes, who: Asker = MAIN, **more: object) -> Attempt:
        """Start one more."""
        return await self.ask(self.start_of(text, **more), Attempt, who)

    async def apart(self, text: str | bytes, who: Asker = MAIN, **more: object) -> Attempt:
        """Start an attempt of a job of its own, which waits for a worker of its own."""
        return await self.start(text, who, job=f"{self.job}-{self.count + 1}", **more)

    async def wait(self, name: str, who: Asker = OPS) -> Attempt:
        """Wait for its end."""
        return await self.ask(WaitAttempt(attempt=name), Attempt, who)

    async def run(self, text: str | bytes, who: Asker = MAIN, **more: object) -> Attempt:
        """Start one more, and wait for its end."""
        return await self.wait((await self.start(text, who, **more)).id)

    async def output(self, name: str, offset: int = 0, *, follow: bool = False) -> bytes:
        """What an attempt said."""
        line = await self.serve(OpenOutput(attempt=name, offset=offset, follow=follow))
        assert line.gaps == []
        return bytes(line.taken)

    async def upload(self, data: bytes, number: int = 1, who: Asker = MAIN) -> None:
        """Send bytes ahead."""
        line = Line(number, session=who.session).give(data)
        await self.serve(OpenUpload(purpose="start", size=len(data)), line, who)
        assert line.granted == len(data)

    def running(self) -> list[int]:
        """The living processes of this room's attempts."""
        return processes.marked(f"CTL_MARK=:{self.job}.".encode())

    async def clear(self) -> None:
        """Leave nothing."""
        await self.close()
        for pid in self.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def over_the_wire(message: object) -> object:
    """Give what arrives of a message."""
    return read_message(unpack(*pack(message)))


async def until(true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait until something is so."""
    await processes.until(true, seconds=seconds)
