"""Starting work through an agent, following it and stopping it.

Part of `session`; it calls `calls`. The digest of an attempt is made by the agent's own code, from the message as the agent
will read it: what differs there was changed on the way.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from controller.agent.specs import Bodies, make_spec, plan_script
from controller.agent.streams import Stream
from controller.errors import NotFoundError, RefusedError
from controller.execution.digest import attempt_digest
from controller.model.ids import AttemptId, JobId
from controller.transport.agents import words
from controller.transport.agents.calls import ANSWER_SECONDS, AgentCalls
from controller.transport.agents.errors import streaming
from controller.transport.agents.scripts import SCRIPT_SECONDS
from controller.transport.agents.talk import AgentTalk
from controller.transport.port import AttemptSpec, AttemptStatus, Chunk, Phase
from controller.transport.requests import LONGEST_PAUSE
from controller.wire.messages import server, streams
from controller.wire.messages.attempts import (
    Attempt,
    Discard,
    GetAttempt,
    PauseAttempt,
    ResumeAttempt,
    RunScript,
    Start,
    StopAttempt,
    WaitAttempt,
)

INLINE: Final = 256 << 10
"""Bytes of a text or an input that travel inside the request; more goes ahead as a stream."""
PIECE: Final = 256 << 10
SALT: Final = 16
DISCARDED_AT_ONCE: Final = 200
"""Ids in one message: a header is 64 KiB."""


class AgentAttempts(AgentCalls):
    """The part of a session that starts, follows and stops work."""

    def __init__(self, talk: AgentTalk) -> None:
        super().__init__(talk)
        self._inputs: dict[AttemptId, Stream] = {}
        self._opening = asyncio.Lock()

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        """Claim the id and start the work, or say what is known of the id."""
        if spec.script is not None:
            return words.status(spec.id, await self._run_script(spec, spec.script))
        message = Start(
            id=spec.id,
            job=spec.job,
            owner=spec.owner,
            shell=spec.shell,
            workdir=spec.workdir,
            user=spec.user,
            timeout=spec.timeout,
            grace=spec.grace,
            head=spec.head,
            tail=spec.tail,
            limits=words.bounds(spec.limits),
            interactive=spec.interactive,
            env=spec.env,
            salt=os.urandom(SALT),
        )
        bodies = Bodies(text=spec.text, stdin=spec.stdin)
        planned = make_spec(message, bodies, owner=spec.owner, user=spec.user)
        text, text_upload = await self._body(spec, spec.text)
        stdin, stdin_upload = await self._body(spec, spec.stdin)
        said = await self._ask(
            replace(
                message,
                digest=attempt_digest(planned),
                text=text,
                stdin=stdin,
                text_upload=text_upload,
                stdin_upload=stdin_upload,
            ),
            Attempt,
        )
        return words.status(spec.id, said)

    async def status(self, attempt: AttemptId) -> AttemptStatus:
        """Say what is known of an attempt now."""
        return await self._attempt(attempt, GetAttempt(attempt=attempt))

    async def wait(self, attempt: AttemptId) -> AttemptStatus:
        """Wait until an attempt has ended (or was never claimed)."""
        return await self._attempt(attempt, WaitAttempt(attempt=attempt), within=None)

    async def output(
        self, attempt: AttemptId, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        """Give output from `offset` on; with `follow` until the attempt has ended and all is given."""
        message = streams.OpenOutput(attempt=attempt, offset=offset, follow=follow)
        try:
            async with aclosing(self._read(message)) as stream:
                async for came in stream:
                    yield Chunk(offset=came.offset, data=came.data, gap=came.gap)
        except NotFoundError:
            return  # nothing is known of it, so there is no output

    async def stop(self, attempt: AttemptId, *, grace: float = 10.0) -> AttemptStatus:
        """TERM every process of the attempt, KILL after `grace` seconds; return when it has ended."""
        message = StopAttempt(attempt=attempt, grace=grace)
        return await self._attempt(attempt, message, within=grace + ANSWER_SECONDS)

    async def pause(self, attempt: AttemptId, *, seconds: float = 0.0) -> AttemptStatus:
        """Hold every process of a running attempt, for `seconds` or (0) until `resume`.

        Raises:
            RefusedError: it does not run, or the time is none.
        """
        if not 0 <= seconds <= LONGEST_PAUSE:
            raise RefusedError(f"cannot pause for {seconds:g} s: at most {LONGEST_PAUSE:.0f}")
        message = PauseAttempt(attempt=attempt, seconds=seconds)
        return words.status(attempt, await self._ask(message, Attempt))

    async def resume(self, attempt: AttemptId) -> AttemptStatus:
        """Let a held attempt go on."""
        return words.status(attempt, await self._ask(ResumeAttempt(attempt=attempt), Attempt))

    async def feed(self, attempt: AttemptId, data: bytes, *, close: bool = False) -> None:
        """Give an interactive attempt more standard input, each byte once and in order; `close` ends it.

        Raises:
            RefusedError: it does not run, or takes no input.
        """
        async with streaming(self._talk.name):
            stream = await self._input(attempt)
            await stream.write(data)
            await self._ask(GetAttempt(attempt=attempt), Attempt)
            if stream.over or close:
                self._inputs.pop(attempt, None)
            if stream.over:  # refused; the refusal came before the answer
                await stream.read()
            if close:
                await stream.end(length=len(data))

    async def discard(self, attempts: tuple[AttemptId, ...], *, job: JobId | None = None) -> None:
        """Delete the spools of ended attempts (and the job's folder); their claims remain."""
        rest = list(attempts)
        while len(rest) > DISCARDED_AT_ONCE:
            some, rest = rest[:DISCARDED_AT_ONCE], rest[DISCARDED_AT_ONCE:]
            await self._ask(Discard(attempts=tuple(some)), server.Done)
        await self._ask(Discard(attempts=tuple(rest), job=job), server.Done)

    async def _input(self, attempt: AttemptId) -> Stream:
        """Give the stream of an attempt's input: one, so that the bytes of all calls stay in order."""
        self._check()
        async with self._opening:
            stream = self._inputs.get(attempt)
            if stream is None or stream.over:
                message = streams.OpenInput(attempt=attempt)
                stream = await self._talk.open(message, era=self._era, reads=False)
                self._inputs[attempt] = stream
            return stream

    async def _leave_inputs(self) -> None:
        """Give no more input; who has some left waits for it."""
        inputs, self._inputs = self._inputs, {}
        for stream in inputs.values():
            await self._talk.leave(stream)

    async def _run_script(self, spec: AttemptSpec, name: str) -> Attempt:
        stdin, upload = await self._body(spec, spec.stdin)
        message = RunScript(
            id=spec.id,
            job=spec.job,
            name=name,
            owner=spec.owner,
            digest=spec.script_digest or "",
            arguments=spec.arguments,
            workdir=spec.workdir,
            user=spec.user,
            timeout=spec.timeout,
            grace=spec.grace,
            head=spec.head,
            tail=spec.tail,
            limits=words.bounds(spec.limits),
            interactive=spec.interactive,
            stdin_upload=upload,
            env=spec.env,
            stdin=stdin,
            salt=os.urandom(SALT),
        )
        planned = plan_script(message, Bodies(stdin=spec.stdin))
        message = replace(message, attempt_digest=attempt_digest(planned))
        with self._talk.scripts.lend(spec.text):
            return await self._ask(message, Attempt, within=ANSWER_SECONDS + SCRIPT_SECONDS)

    async def _attempt(
        self, attempt: AttemptId, message: object, *, within: float | None = ANSWER_SECONDS
    ) -> AttemptStatus:
        try:
            known = words.status(attempt, await self._ask(message, Attempt, within=within))
        except NotFoundError:
            known = AttemptStatus(id=attempt, phase=Phase.NONE)
        stream = self._inputs.pop(attempt, None) if known.phase is not Phase.RUNNING else None
        if stream is not None:
            await self._talk.leave(stream)
        return known

    async def _body(self, spec: AttemptSpec, data: bytes) -> tuple[bytes, int]:
        """Give bytes that travel inside, or the number of the upload that brings them."""
        if len(data) <= INLINE:
            return data, 0
        message = streams.OpenUpload(purpose="start", job=spec.job, size=len(data))
        return b"", await self._write(message, each(cut(data)))


def cut(data: bytes) -> Iterable[bytes]:
    """Give bytes in pieces."""
    return (data[place : place + PIECE] for place in range(0, len(data), PIECE))


async def each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give pieces to who awaits them."""
    for piece in pieces:
        yield piece
