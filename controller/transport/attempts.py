"""Starting work through a runner, following it and stopping it.

Part of `session`; it calls `lines` and `requests`. The end of an attempt that was started here is pushed by the server; what others
started is asked for, ever more slowly.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from controller.errors import RefusedError, SessionLostError
from controller.model.ids import AttemptId, Digest, JobId
from controller.transport.lines import Lines
from controller.transport.port import AttemptSpec, AttemptStatus, Chunk, Ending, Phase
from controller.transport.protocol import (
    ATTEMPT,
    NAME,
    ProtocolError,
    Reply,
    check,
)
from controller.transport.quoting import assign, quote
from controller.transport.requests import bounded, pause_seconds, start_request

INLINE: Final = 4096
"""Bytes of a script or an input that travel inside the request itself; more goes ahead over the data line."""
REMEMBERED: Final = 512
"""Ended attempts whose end, and output if it was short, are kept in memory."""
BLOB_LIMIT: Final = 64 << 20
"""Bytes of a script; they are in this process's memory while they are sent."""
INPUT_LIMIT: Final = 256 << 20
"""Bytes of an input: the tree of a repo, which many servers are sent from one place in memory."""
RANGE: Final = 1 << 20
QUICK: Final = 0.02
SLOW: Final = 0.5
LISTENING: Final = 30.0
"""Seconds without word of an attempt that was started here, after which the server is asked whether it still runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended, and its whole output when that was short."""

    status: AttemptStatus
    output: bytes | None
    complete: bool
    """Digest and outputs are in `status`; else they have to be asked for."""


class AttemptCalls:
    """The part of a session that starts, follows and stops work."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._ended: OrderedDict[str, Ended] = OrderedDict()
        self._news: dict[str, asyncio.Future[None]] = {}
        self._asked: set[str] = set()
        self._ours: set[str] = set()
        self._held: dict[str, tuple[str, str]] = {}
        """Locks taken through this session: by folder, the target and the list of the attempts under it."""

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        """Claim the id and start the work, or say what is known of the id."""
        request = start_request(spec, self._locks_of(spec))
        bounded("a script", len(spec.text), BLOB_LIMIT)
        bounded("an input", len(spec.stdin), INPUT_LIMIT)
        text = await self._payload(b"text", spec.text)
        stdin = await self._payload(b"stdin", spec.stdin)
        self._asked.add(spec.id)
        try:
            reply = await self._lines.control.ask(b" ".join((request, text, stdin)) + b"; do_start")
        finally:
            self._asked.discard(spec.id)
        status = read_status(spec.id, reply)
        if status.fresh:
            self._ours.add(spec.id)
            return status
        return await self.status(spec.id) if status.phase is Phase.ENDED else status

    async def status(self, attempt: AttemptId) -> AttemptStatus:
        """Say what is known of an attempt now."""
        check(ATTEMPT, attempt, "an attempt")
        line = await self._lines.data()
        reply = await line.ask(assign(id=attempt) + b"; do_status")
        return replace(read_status(attempt, reply), outputs=reply.body)

    async def wait(self, attempt: AttemptId) -> AttemptStatus:
        """Wait until an attempt has ended (or was never claimed)."""
        check(ATTEMPT, attempt, "an attempt")
        pause, quiet = QUICK, False
        while True:
            known = self._ended.get(attempt)
            if known is not None:
                return known.status if known.complete else await self.status(attempt)
            ours = attempt in self._ours
            if (quiet or not ours) and await self._phase(attempt) is not Phase.RUNNING:
                return await self.status(attempt)
            await self._listen(attempt, LISTENING if ours else pause)
            pause, quiet = min(pause * 2, SLOW), True

    async def output(
        self, attempt: AttemptId, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        """Give output from `offset` on; with `follow` until the attempt has ended and all is given."""
        check(ATTEMPT, attempt, "an attempt")
        pause = QUICK
        while True:
            known = self._ended.get(attempt)
            if known is not None and known.output is not None:
                if known.output[offset:]:
                    yield Chunk(offset=offset, data=known.output[offset:])
                return
            reply = await self._range(attempt, offset)
            if reply.body:
                gap, pause = reply.number("gap"), QUICK
                offset += gap
                yield Chunk(offset=offset, data=reply.body, gap=gap)
                offset += len(reply.body)
                continue
            if not follow or reply.number("ended"):
                return
            if pause >= SLOW and await self._phase(attempt) is not Phase.RUNNING:
                follow = False  # ended, or interrupted: one more look for its last words
            await self._listen(attempt, pause)
            pause = min(pause * 2, SLOW)

    async def stop(self, attempt: AttemptId, *, grace: float = 10.0) -> AttemptStatus:
        """TERM every process of the attempt, KILL after `grace` seconds; return when it has ended."""
        check(ATTEMPT, attempt, "an attempt")
        request = assign(id=attempt, grace_tenths=max(1, round(grace * 10)))
        await self._lines.control.ask(request + b"; do_stop", within=grace + 30)
        return await self.status(attempt)

    async def pause(self, attempt: AttemptId, *, seconds: float = 0.0) -> AttemptStatus:
        """Hold every process of a running attempt, for `seconds` or (0) until `resume`; its time-out waits too.

        Raises:
            RefusedError: it does not run.
        """
        check(ATTEMPT, attempt, "an attempt")
        request = assign(id=attempt, seconds=pause_seconds(seconds)) + b"; do_pause"
        return await self._on_running("pause", attempt, request)

    async def resume(self, attempt: AttemptId) -> AttemptStatus:
        """Let a held attempt go on.

        Raises:
            RefusedError: it does not run.
        """
        check(ATTEMPT, attempt, "an attempt")
        return await self._on_running("resume", attempt, assign(id=attempt) + b"; do_resume")

    async def discard(self, attempts: tuple[AttemptId, ...], *, job: JobId | None = None) -> None:
        """Delete the spools of ended attempts (and the job's folder); their claims remain."""
        ids = " ".join(check(ATTEMPT, one, "an attempt") for one in attempts)
        folder = "" if job is None else check(NAME, job, "a job")
        line = await self._lines.data()
        await line.ask(assign(ids=ids, job=folder) + b"; do_discard")
        for one in attempts:
            self._ended.pop(one, None)
            self._ours.discard(one)

    def hear(self, reply: Reply) -> None:
        """Take a pushed end."""
        attempt = AttemptId(reply.text("attempt"))
        if attempt not in self._ours and attempt not in self._asked:
            return
        try:
            self._ended[attempt] = ended_of(attempt, reply)
        except (ProtocolError, ValueError):
            return  # the server does not know its own words; whoever waits will ask
        while len(self._ended) > REMEMBERED:
            self._ours.discard(self._ended.popitem(last=False)[0])
        news = self._news.pop(attempt, None)
        if news is not None and not news.done():
            news.set_result(None)

    async def _on_running(self, verb: str, attempt: AttemptId, request: bytes) -> AttemptStatus:
        reply = await self._lines.control.ask(request)
        if reply.text("phase") != Phase.RUNNING:
            raise RefusedError(f"cannot {verb} {attempt}: it does not run")
        return await self.status(attempt)

    async def _listen(self, attempt: str, seconds: float) -> None:
        """Wait for word of an attempt, at most so long; fail when the session is lost."""
        if attempt in self._ended:
            return
        lost = self._lines.control.ended
        news = self._news.get(attempt)
        if news is None:
            news = asyncio.get_running_loop().create_future()
        if attempt in self._ours:
            self._news[attempt] = news
        either: set[asyncio.Future[None] | asyncio.Future[SessionLostError]] = {news, lost}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if lost.done() and not news.done():
            raise lost.result()

    async def _phase(self, attempt: AttemptId) -> Phase:
        reply = await self._lines.control.ask(assign(id=attempt) + b"; do_phase")
        return read_status(attempt, reply).phase

    async def _range(self, attempt: str, offset: int) -> Reply:
        line = await self._lines.data()
        return await line.ask(assign(id=attempt, offset=offset, limit=RANGE) + b"; do_output")

    async def _payload(self, name: bytes, data: bytes) -> bytes:
        """Give the assignments of a text or an input: itself, or the file it was sent to."""
        if len(data) <= INLINE and b"\0" not in data:
            return b"%s=%s %s_file=" % (name, quote(data), name)
        return b"%s= %s_file=%s" % (name, name, quote(await self._lines.upload(data)))

    def _locks_of(self, spec: AttemptSpec) -> tuple[str, ...]:
        """Name the held locks that this attempt works under."""
        target = spec.env.get("CTL_TARGET")
        return tuple(file for name, file in self._held.values() if target is None or name == target)


def read_status(attempt: AttemptId, reply: Reply) -> AttemptStatus:
    """Read the answer to a start or a status."""
    phase = Phase(reply.text("phase") or Phase.NONE)
    return AttemptStatus(
        id=attempt,
        phase=phase,
        fresh=reply.text("fresh") == "1",
        ending=Ending(reply.text("ending")) if phase is Phase.ENDED else None,
        exit_code=reply.number("code") if phase is Phase.ENDED else None,
        message=reply.text("msg")[:500].strip(),
        length=reply.number("length"),
        sha256=Digest(reply.text("sha")) if reply.text("sha") else None,
        incomplete=reply.text("incomplete")[:500],
        paused=reply.text("paused") == "1",
        out_of_memory=reply.text("oom") == "1",
        means=reply.text("means")[:40],
    )


def ended_of(attempt: AttemptId, reply: Reply) -> Ended:
    """Read a pushed end; a digest that the server has not made is made here when all bytes came along."""
    status = read_status(attempt, reply)
    whole = len(reply.body) == status.length
    if whole and status.sha256 is None:
        status = replace(status, sha256=Digest(hashlib.sha256(reply.body).hexdigest()))
    complete = status.sha256 is not None and not reply.number("outputs")
    return Ended(status=status, output=reply.body if whole else None, complete=complete)
