"""A room for tests of the daemon: an authority, a daemon in this process that answers little, and its log."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from controller.agent.asker import Asker, Fetch
from controller.agent.daemon import Daemon
from controller.agent.errors import AgentError, ScriptError
from controller.agent.log import Log
from controller.agent.settings import Settings
from controller.agent.streams import Stream
from controller.agent.values import Address
from controller.execution.errors import BrokenError, UnknownAttemptError
from controller.pki.role import Role
from controller.wire.limits import LIMITS, Limits
from controller.wire.messages.attempts import Attempt, GetAttempt, Start, WaitAttempt
from controller.wire.messages.files import GetSize, Size
from controller.wire.messages.greetings import Facts, HostState
from controller.wire.messages.server import GetPool, Inspect, ListScripts, Pool, SetPool
from controller.wire.messages.streams import OpenFile, OpenOutput, OpenUpload
from tests.pki.place import Place, founded

PATIENCE = 10.0


class SmallAnswers:
    """Answers just enough to see what the daemon does with it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Asker, object]] = []
        self.started: list[str] = []
        self.uploads: dict[int, bytes] = {}
        self.keys: list[object] = []
        self.gone: list[object] = []
        self.gate = asyncio.Event()
        self.idle = asyncio.Event()
        self.cancelled: list[object] = []
        self.received: list[int] = []
        self.news: list[object] = []
        self.failing: Exception | None = None
        self.closed = False
        self.content = b""
        self._listeners: list[Callable[[object], None]] = []

    async def open(self) -> None:
        pass

    def facts(self) -> Facts:
        return Facts(boot_id="boot-1", agent="test")

    def state(self) -> HostState:
        return HostState(cpu=0.5, processors=2, workers=1)

    async def answer(self, asker: Asker, message: object, fetch: Fetch) -> object:
        self.asked.append((asker, message))
        if self.failing is not None:
            raise self.failing
        match message:
            case Start():
                await asyncio.sleep(0)
                self.started.append(message.id)
                return Attempt(id=message.id, phase="running")
            case WaitAttempt():
                return await self._wait(message)
            case GetSize():
                fetched = [piece async for piece in fetch(message.path)]
                return Size(size=len(b"".join(fetched)))
            case GetAttempt() if message.attempt not in self.started:
                raise UnknownAttemptError(f"cannot find attempt {message.attempt}")
            case GetAttempt():
                return Attempt(id=message.attempt, phase="running")
            case _:
                return self._plain(message)

    def _plain(self, message: object) -> object:
        match message:
            case GetPool():
                return Pool(workers=1)
            case Inspect():
                raise ScriptError(f"cannot find {message.name}", hint="look for another")
            case ListScripts():
                return Pool(workers=1)  # not what answers it
            case SetPool():
                raise BrokenError("cannot write the ledger: the disk is gone")
            case _:
                raise ZeroDivisionError("a fault")

    async def _wait(self, message: WaitAttempt) -> Attempt:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(message)
            raise
        return Attempt(id=message.attempt, phase="ended", exit_code=0)

    async def stream(self, asker: Asker, message: object, stream: Stream) -> None:
        self.keys.append(stream.session)
        match message:
            case OpenFile():
                await stream.write(self.content[message.offset :])
                digest = hashlib.sha256(self.content).hexdigest()
                await stream.end(length=len(self.content), sha256=digest)
            case OpenOutput():
                await stream.write(b"after", gap=7)
                await stream.end(length=12)
            case OpenUpload():
                taken = bytearray()
                while (data := await stream.read()) is not None:
                    taken += data.data
                    self.received.append(len(data.data))
                    stream.kept(len(data.data))
                self.uploads[stream.number] = bytes(taken)
            case _:
                raise AgentError("cannot open that")

    def left(self, session: object) -> None:
        self.gone.append(session)

    def say(self, news: object) -> None:
        self.news.append(news)
        for tell in list(self._listeners):
            tell(news)

    def listen(self, tell: Callable[[object], None]) -> Callable[[], None]:
        self._listeners.append(tell)
        return lambda: self._listeners.remove(tell)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def noted(self, number: int) -> None:
        self.news = [one for one in self.news if getattr(one, "number", 0) > number]

    def unnoted(self) -> Sequence[object]:
        return tuple(self.news)

    async def drain(self) -> None:
        await self.idle.wait()

    async def close(self) -> None:
        self.closed = True


class Written(io.StringIO):
    """A log that tests look into."""

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    def has(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.lines)


@dataclass
class Room:
    """An authority and at most one daemon at a time."""

    path: Path
    place: Place
    settings: Settings
    log: Written = field(default_factory=Written)
    answers: SmallAnswers = field(default_factory=SmallAnswers)
    daemon: Daemon | None = None
    limits: Limits = LIMITS
    running: asyncio.Task[int] | None = None
    port: int = 0

    @contextlib.asynccontextmanager
    async def run(self, **changes: object) -> AsyncIterator[Room]:
        """Run a daemon meanwhile."""
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        before = len(self.log.lines)
        self.daemon = Daemon(settings, self.answers, Log(self.log), limits=self.limits)
        self.running = asyncio.ensure_future(self.daemon.run())
        try:
            if settings.listen is not None:
                await self.until(lambda: self.running_over or self._ports(before) != [])
                self.port = (self._ports(before) or [0])[-1]
            yield self
        finally:
            self.daemon._stop_soon()
            self.daemon._stop_soon()
            await asyncio.wait_for(self.running, PATIENCE)

    def _ports(self, since: int) -> list[int]:
        lines = "\n".join(self.log.lines[since:])
        return [int(one) for one in re.findall(r"listens on 127\.0\.0\.1:(\d+)", lines)]

    @property
    def running_over(self) -> bool:
        return self.running is not None and self.running.done()

    async def until(self, true: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until something is so."""
        end = asyncio.get_running_loop().time() + seconds
        while not true():
            assert asyncio.get_running_loop().time() < end, self.log.getvalue()
            await asyncio.sleep(0.005)


def make_room(path: Path) -> Room:
    """Found an authority that knows an agent, a controller, an admin and a user."""
    place = founded(path / "ca")
    place.issue("web-1")
    place.issue("main", Role.CONTROLLER)
    place.issue("ops", Role.ADMIN)
    place.issue("ana", Role.USER)
    pki = path / "pki"
    pki.mkdir(mode=0o700)
    give(place, pki, "web-1")
    settings = Settings(
        listen=Address(host="127.0.0.1", port=0), pki=str(pki), state=str(path / "state")
    )
    return Room(path=path, place=place, settings=settings)


def give(place: Place, folder: Path, name: str) -> None:
    """Bring the files of a certificate into a folder, as they are carried to a server."""
    for source in (f"{name}.crt", f"{name}.key", "ca.crt"):
        fresh = folder / f".{source}"
        fresh.write_bytes((place.path / source).read_bytes())
        fresh.chmod(0o600)
        fresh.replace(folder / source)
