"""An agent with a good certificate that lies: `python -m tests.e2e.lying_agent FOLDER NAME PORT KIND`.

KIND says how; `LIES` has them all. It greets, beats and acknowledges as an honest one does, for otherwise nobody would listen.
"""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from controller.pki.contexts import Identity as Certificate, server_context
from controller.wire.doorway import Doorway
from controller.wire.errors import WireError
from controller.wire.events import (
    BeatDue,
    Event,
    Requested,
    StreamEnded,
    StreamOpened,
    StreamRoom,
)
from controller.wire.handshake import Identity
from controller.wire.link import Link
from controller.wire.messages import attempts, files, server, streams, targets
from controller.wire.messages.greetings import Facts, HostState
from controller.wire.messages.table import To
from controller.wire.session import Session

NASTY: Final = "\x1b]0;owned\x07\x1b[2J\x1b[1;1H\u202e\u200bok\r\n"
MOST: Final = (1 << 63) - 1
HUGE: Final = HostState(
    cpu=1e18,
    processors=MOST,
    memory_used=MOST,
    memory_total=1,
    disk_used=MOST,
    disk_total=0,
    load=(1e18,) * 999,
    uptime=9e18,
    workers=MOST,
    running=MOST,
    waiting=MOST,
)
PLAIN: Final = HostState(cpu=0.1, processors=1)
Reply = object

_COUNT: Iterator[int] = itertools.count()


def attempt(asked: object) -> Reply:
    """Say of any attempt that it ended well."""
    name = str(getattr(asked, "id", "") or getattr(asked, "attempt", ""))
    return attempts.Attempt(id=name, phase="ended", ending="exit", exit_code=0)


HONEST: Final[Mapping[type, Callable[[object], Reply]]] = {
    targets.ReadMarkers: lambda _: targets.MarkerPage(),
    targets.ReadLocks: lambda _: targets.LockPage(),
    targets.ClaimTarget: lambda _: targets.TargetClaim(taken=True),
    server.ListScripts: lambda _: server.ScriptPage(),
    server.Inspect: lambda _: server.Failed(code="not-found", message="no such script"),
    server.GetReport: lambda _: server.Failed(code="not-found", message="no report"),
    server.GetPool: lambda _: server.Pool(workers=1),
    files.Probe: lambda _: files.Probed(exit_code=0),
    files.GetSize: lambda _: files.Size(size=None),
    files.ListArtifacts: lambda _: files.FilePage(),
    files.ListWorkspace: lambda _: files.FilePage(),
    attempts.Start: attempt,
    attempts.RunScript: attempt,
    attempts.GetAttempt: attempt,
    attempts.WaitAttempt: attempt,
    attempts.StopAttempt: attempt,
}


def honest(message: object) -> Reply:
    """Answer as an agent on which nothing was ever done."""
    answer = HONEST.get(type(message))
    return server.Done() if answer is None else answer(message)


def script(name: str) -> server.Script:
    return server.Script(
        name=name, sha256="0" * 64, size=MOST, title=NASTY, result="file", file=f"../../{NASTY}"
    )


def holder() -> targets.Holder:
    return targets.Holder(run=NASTY, who=NASTY, controller=NASTY, boot_id=NASTY, since=9e18)


def ended(asked: object) -> Reply:
    name = str(getattr(asked, "id", "") or getattr(asked, "attempt", ""))
    return attempts.Attempt(
        id=f"../{NASTY}{name}",
        phase="ended",
        ending="exit",
        exit_code=0,
        message=NASTY * 100,
        length=MOST,
        sha256=NASTY,
        incomplete=NASTY,
        means={NASTY: NASTY, "memory": NASTY},
        outputs=f"A={NASTY}\n../x=1\n={NASTY}\n".encode() * 100,
        started_at=9e18,
        ended_at=1e-9,
    )


def report(asked: object) -> Reply:
    return server.Report(
        attempt=str(getattr(asked, "attempt", "")),
        job=NASTY,
        script=script("dump"),
        message=NASTY,
        headers={NASTY: NASTY},
        started_at=9e18,
        ended_at=0.001,
        artifact=f"../../{NASTY}",
        result=NASTY.encode(),
    )


FILES: Final = files.FilePage(files={f"../../{NASTY}": 3, "/etc/pwned": 3, "..": 3, ".": 3})
ESCAPING: Final[Mapping[type, Callable[[object], Reply]]] = {
    targets.ReadMarkers: lambda _: targets.MarkerPage(
        markers={NASTY: b"x", "../t": b"x", "t": NASTY.encode()}
    ),
    targets.ReadLocks: lambda _: targets.LockPage(locks={"t": holder(), f"../{NASTY}": holder()}),
    targets.ClaimTarget: lambda _: targets.TargetClaim(taken=False, holder=holder()),
    server.ListScripts: lambda _: server.ScriptPage(
        scripts=(script("dump"), script(f"../{NASTY}"))
    ),
    server.Inspect: lambda _: server.ScriptText(
        script=script("dump"), headers={NASTY: NASTY}, text=NASTY.encode()
    ),
    server.GetReport: report,
    files.Probe: lambda _: files.Probed(exit_code=1 << 40, output=NASTY.encode()),
    files.GetSize: lambda _: files.Size(size=3),
    files.ListArtifacts: lambda _: FILES,
    files.ListWorkspace: lambda _: FILES,
    attempts.Start: ended,
    attempts.RunScript: ended,
    attempts.GetAttempt: ended,
    attempts.WaitAttempt: ended,
}


def escaping(message: object) -> Reply:
    """Put terminal commands wherever there is text."""
    answer = ESCAPING.get(type(message))
    if answer is None:
        return server.Failed(code=NASTY, message=NASTY * 100, hint=NASTY)
    return answer(message)


def endless(message: object) -> Reply:
    """Say of every list that it goes on, with names that rise."""
    name = f"t{next(_COUNT):019}"
    many = [f"{name}-{number:04}" for number in range(700)]
    match message:
        case targets.ReadMarkers():
            return targets.MarkerPage(more=True, markers=dict.fromkeys(many, b"x" * 1400))
        case targets.ReadLocks():
            return targets.LockPage(more=True, locks=dict.fromkeys(many[:99], holder()))
        case server.ListScripts():
            return server.ScriptPage(
                more=True, scripts=tuple(server.Script(name=one) for one in many[:400])
            )
        case files.ListArtifacts() | files.ListWorkspace():
            return files.FilePage(more=True, files=dict.fromkeys(many, 3))
        case files.GetSize():
            return files.Size(size=3)
        case _:
            return honest(message)


def fat(message: object) -> Reply:
    """Send a marker of a megabyte for every target there could be."""
    if isinstance(message, targets.ReadMarkers):
        name = f"t{next(_COUNT):019}"
        return targets.MarkerPage(more=True, markers={name: b"[" * 1_000_000})
    return honest(message)


def endless_file(message: object) -> Reply:
    """Offer small files that have no end."""
    match message:
        case files.ListWorkspace(after="") | files.ListArtifacts(after=""):
            return files.FilePage(files={"small": 3})
        case files.GetSize():
            return files.Size(size=3)
        case _:
            return honest(message)


def nothing(_message: object) -> Reply:
    """Never answer."""
    return None


LIES: Mapping[str, Callable[[object], Reply]] = {
    "escape": escaping,
    "endless": endless,
    "fat": fat,
    "file": endless_file,
    "mute": nothing,
    "numbers": honest,
    "garbage": nothing,
    "nobody": nothing,
    "negative": nothing,
    "wrong": nothing,
    "gone": nothing,
    "crc": endless_file,
    "empty": endless_file,
    "flood": honest,
}


class Liar:
    """One connection."""

    def __init__(self, name: str, kind: str, writer: asyncio.StreamWriter) -> None:
        state = NASTY if kind == "escape" else "boot-1"
        facts = Facts(boot_id=state, login=state, base=state, tools=(state,) * 99, agent=state)
        me = Identity(side=To.AGENT, name=name, instance="liar", facts=facts)
        self._kind = kind
        self._door = Doorway(me, {})
        self._writer = writer
        self._link: Link = self._door.connect("main", now(), leads=True)
        self._open: set[int] = set()

    def receive(self, data: bytes) -> None:
        for event in self._door.receive(self._link, data, now()):
            self._heed(event)
        self.flush()

    def tick(self) -> None:
        for _, event in self._door.tick(now()):
            self._heed(event)
        self.flush()

    def flush(self) -> None:
        for number in tuple(self._open):
            self._pour(number)
        while data := self._link.take():
            self._writer.write(data)

    @property
    def _session(self) -> Session:
        return cast("Session", self._door.session(self._link))

    def _post(self, message: object, *, answer: int = 0, stream: int = 0) -> None:
        """Say something whether the rules allow it or not."""
        self._session._talk._post(message, answer=answer, stream=stream)

    def _heed(self, event: Event) -> None:
        match event:
            case Requested():
                self._answer(event.call, event.message)
            case StreamOpened():
                self._open.add(event.stream)
            case StreamRoom():
                self._pour(event.stream)
            case BeatDue():
                hostile = self._kind in {"numbers", "escape"}
                self._session.heartbeat(HUGE if hostile else PLAIN, now())
            case StreamEnded():
                self._open.discard(event.stream)
            case _:
                pass

    def _answer(self, call: int, message: object) -> None:
        reply = LIES[self._kind](message)
        match self._kind:
            case "garbage":
                self._writer.write(b"\xff" * 100_000)
            case "nobody":
                self._post(server.Pool(workers=1), answer=call + 4711)
            case "negative":
                self._post(files.FilePage(files={"a": -1}), answer=call)
            case "wrong":
                self._post(server.Pool(workers=1), answer=call)
            case "gone":
                self._writer.transport.abort()
            case _:
                pass
        if reply is not None:
            self._session.reply(call, reply)

    def _pour(self, number: int) -> None:
        """Fill a stream as far as the other side takes it."""
        with contextlib.suppress(WireError):
            match self._kind:
                case "crc":
                    self._post(streams.Chunk(offset=0, crc=1, data=b"abc"), stream=number)
                case "empty":
                    chunk = streams.Chunk(offset=0, crc=0)
                    for _ in range(100):
                        self._post(chunk, stream=number)
                case "escape":
                    self._session.send(number, NASTY.encode() * 20)
                    self._open.discard(number)
                    self._session.end(number, length=MOST, sha256=NASTY)
                case "flood" | "file":
                    while room := self._session.room(number):
                        self._session.send(number, b"\0\x1b" * (min(room, 200_000) // 2 + 1))
                case _:
                    self._open.discard(number)
                    self._session.end(number)


def now() -> float:
    return asyncio.get_running_loop().time()


async def lie(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, kind: str
) -> None:
    liar = Liar(name, kind, writer)
    while True:
        try:
            data = await asyncio.wait_for(reader.read(1 << 16), 1)
        except TimeoutError:
            liar.tick()
            continue
        except OSError:
            return
        if not data:
            return
        liar.receive(data)
        with contextlib.suppress(OSError):
            await writer.drain()


async def serve(folder: Path, name: str, port: int, kind: str) -> None:
    own = Certificate(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")
    context = server_context(own, trust=folder / "ca.crt", alpn=["ctl/1"])
    await asyncio.start_server(
        lambda reader, writer: lie(reader, writer, name, kind), "127.0.0.1", port, ssl=context
    )
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
