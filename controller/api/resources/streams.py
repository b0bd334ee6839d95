"""What stays open: what changes, as it changes, and what a job says, as it says it. Server-sent events, with a place to go on from.

A stream ends when its token does, when the job has ended, or when the reader is gone; one that reads slowly holds back itself alone.
"""

import base64
import binascii
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import Header, Query
from starlette.responses import Response, StreamingResponse

from controller.api.bodies import Name
from controller.api.breaking import BrokenOffError
from controller.api.call import Asked, Call
from controller.api.problems import refuse
from controller.api.resources.jobs import Id
from controller.model.job import Job
from controller.model.serving import News
from controller.reconcile.access.rights import grant_of
from controller.reconcile.desk.archiving import kept
from controller.reconcile.desk.listening import Listening
from controller.reconcile.exchange.reports import LogChunk

MEDIA: Final = "text/event-stream"
UNKEPT: Final = {"x-accel-buffering": "no"}
"""Has nginx hand on at once what is sent, without being told to in its settings."""
KEEP_ALIVE: Final = 15.0
"""Seconds of silence after which a comment keeps proxies from closing the stream."""
LOOK: Final = 1.0
FOLLOW: Final = 0.25
LongestId = Annotated[str | None, Header(max_length=8000)]
Chunks = AsyncGenerator[LogChunk | None, None]
Places = dict[tuple[str, int], int]
"""Where the attempts of steps stand, in bytes."""
_PLACE: Final = re.compile(r"([A-Za-z0-9._-]{1,200}):(\d{1,6})=(\d{1,15})")


def event(kind: str, data: object, id_: str | None = None) -> bytes:
    """Write one event; nothing in JSON can end its line."""
    head = b"" if id_ is None else b"id: " + id_.encode() + b"\n"
    return head + b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


class Pulse:
    """Says when a stream has to give a sign of life, and when its token has to be looked at."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._said = self._looked = self._now()

    def spoke(self) -> None:
        """Note that something was sent."""
        self._said = self._now()

    def silent(self) -> bool:
        """Say whether a comment is due."""
        if (self._now() - self._said).total_seconds() < KEEP_ALIVE:
            return False
        self.spoke()
        return True

    async def good(self) -> bool:
        """Say whether whoever listens may go on; looked at every few seconds."""
        call = self._call
        if call.desk.closing.is_set():
            return False
        if call.actor.kind == "anonymous":
            return True
        if (self._now() - self._looked).total_seconds() >= call.desk.settings.recheck_seconds:
            self._looked = self._now()
            return self._may() and await call.still_good()
        return True

    def _may(self) -> bool:
        """Say whether the login is still there, and the rules let whoever listens do what they did when it began."""
        call, generation = self._call, self._call.serving.generation
        access = None if generation is None else generation.declaration.access
        gone = call.session is not None and not call.desk.sessions.holds(call.session, self._now())
        return not gone and grant_of(call.actor, access) == call.grant

    def _now(self) -> datetime:
        return self._call.serving.clock.now()


async def events(call: Asked, last_event_id: LongestId = None) -> Response:
    """Stream what changes: jobs, runs, targets, servers, repos, declarations, parts.

    Each event has the kind of thing as its type and a number as its id; `Last-Event-ID` goes on after that. `ready` comes first, and
    `reset` instead when what came between is not kept any more: read everything anew then. `bye` comes when the token ends.
    """
    oldest, newest = await call.serving.store.newsroom.ends()
    at, first = newest, "ready"
    if last_event_id is not None:
        at = number(last_event_id)
        if not oldest - 1 <= at <= newest:
            at, first = newest, "reset"
    return StreamingResponse(changes(call, at, first), media_type=MEDIA, headers=UNKEPT)


def number(text: str) -> int:
    """Read the id of an event.

    Raises:
        ProblemError: 400.
    """
    if not text.isascii() or not text.isdecimal() or len(text) > 18:  # noqa: PLR2004  # of 64 bits
        raise refuse(HTTPStatus.BAD_REQUEST, "bad-event-id", "this is the id of no event")
    return int(text)


async def changes(call: Call, at: int, first: str) -> AsyncIterator[bytes]:
    """Give what changes after a number, until the token ends."""
    pulse = Pulse(call)
    yield event(first, {"seq": at}, str(at))
    while await pulse.good():
        fresh = await call.serving.store.newsroom.after(at)
        for news in fresh:
            at = news.seq
            if sees(call, news):
                pulse.spoke()
                yield event(news.kind, call.shown(news), str(news.seq))
        if pulse.silent():
            yield b": still here\n\n"
        if not fresh:
            await call.serving.wait_news(LOOK)
    yield bye(call)


def bye(call: Call) -> bytes:
    """Write why a stream ends though there may be more."""
    stops = call.desk.closing.is_set()
    reason = (
        "the controller stops"
        if stops
        else f"the {call.actor.kind}, or what it may do, is not the same any more"
    )
    return event("bye", {"reason": reason})


def sees(call: Call, news: News) -> bool:
    """Say whether news are within the scope."""
    if call.grant.whole:
        return True
    subject = {
        news.kind: news.name,
        **{key: value for key, value in news.data.items() if isinstance(value, str)},
    }
    target, server = subject.get("target"), subject.get("server")
    if call.grant.targets and (target is None or not call.sees_target(target)):
        return False
    inside = call.servers_seen()
    return inside is None or server in inside


async def output(
    call: Asked,
    id: Id,  # noqa: A002
    *,
    step: Annotated[Name | None, Query()] = None,
    follow: Annotated[bool, Query(description="go on until the job has ended")] = False,
    format: Annotated[  # noqa: A002
        str, Query(pattern="^(events|octets)$", description="`octets`: the bytes alone")
    ] = "events",
    offset: Annotated[
        int, Query(ge=0, le=1 << 50, description="leave out so many bytes; of octets")
    ] = 0,
    last_event_id: LongestId = None,
) -> Response:
    """Give what a job said: stored bytes, secrets masked, in order.

    As events each `chunk` has step, attempt, offset, `gap` (bytes before it that are gone) and `data` in base64; `Last-Event-ID` goes on
    after it, and `end` tells the job's state; `bye` comes instead where the token ends before the job. As octets the bytes of all attempts follow
    each other, and the answer breaks off there: its last chunk is missing.
    """
    job = await call.job(id)
    if step is not None and all(one.name != step for one in job.steps):
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", "the job has no such step")
    said = chunks(call, job, step, follow=follow)
    if format == "octets":
        return StreamingResponse(
            octets(said, offset),
            media_type="application/octet-stream",
            headers={"content-disposition": "attachment", **UNKEPT},
        )
    told = chunk_events(call, job, said, places(last_event_id))
    return StreamingResponse(told, media_type=MEDIA, headers=UNKEPT)


async def chunks(call: Call, job: Job, step: str | None, *, follow: bool) -> Chunks:
    """Give stored output as it grows; None whenever there is nothing new for a moment.

    Raises:
        BrokenOffError: whoever reads may not go on, and there is more.
    """
    pulse = Pulse(call)
    store = call.serving.store
    async with kept(call.rooms, job) as files:
        listening = Listening(store, files.output, step=step)
        while await _must_go_on(pulse):
            now = await store.jobs.get(job.id) or job
            async for chunk in listening.fresh(now):
                yield chunk
                await _must_go_on(pulse)
            if now.state.ended or not follow:
                return
            yield None
            await call.serving.clock.sleep(FOLLOW)


async def _must_go_on(pulse: Pulse) -> bool:
    """Break off where whoever reads may not go on.

    Raises:
        BrokenOffError: they may not.
    """
    if not await pulse.good():
        raise BrokenOffError("whoever reads may not go on")
    return True


async def octets(said: Chunks, offset: int) -> AsyncIterator[bytes]:
    """Give the bytes alone, but for the first ones."""
    async with aclosing(said):
        async for chunk in said:
            if chunk is not None:
                data = chunk.data[offset:]
                offset = max(0, offset - len(chunk.data))
                if data:
                    yield data


async def chunk_events(call: Call, job: Job, said: Chunks, done: Places) -> AsyncIterator[bytes]:
    """Give output as events, each with where all attempts stand after it."""
    pulse = Pulse(call)
    try:
        async with aclosing(said):
            async for chunk in said:
                fresh = None if chunk is None else unseen(chunk, done)
                if fresh is not None:
                    pulse.spoke()
                    yield event("chunk", chunk_document(fresh), place_of(done))
                elif pulse.silent():
                    yield b": still here\n\n"
    except BrokenOffError:
        yield bye(call)
        return
    now = await call.serving.store.jobs.get(job.id) or job
    yield event("end", {"job": now.id, "state": now.state.value, "exit_code": now.exit_code})


def unseen(chunk: LogChunk, done: Places) -> LogChunk | None:
    """Give what of a chunk was not given before, and note it; None when all of it was."""
    key, end = (chunk.step, chunk.attempt), chunk.offset + len(chunk.data)
    seen = done.get(key, 0)
    if end <= seen:
        return None
    done[key] = end
    if seen <= chunk.offset:
        return chunk
    return replace(chunk, offset=seen, data=chunk.data[seen - chunk.offset :], gap=0)


def chunk_document(chunk: LogChunk) -> dict[str, object]:
    """Write a chunk."""
    return {
        "step": chunk.step,
        "attempt": chunk.attempt,
        "offset": chunk.offset,
        "gap": chunk.gap,
        "data": base64.b64encode(chunk.data).decode(),
    }


def place_of(done: Places) -> str:
    """Write where all attempts stand."""
    text = ",".join(f"{step}:{attempt}={end}" for (step, attempt), end in done.items())
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def places(text: str | None) -> Places:
    """Read where all attempts stood.

    Raises:
        ProblemError: 400.
    """
    if text is None:
        return {}
    try:
        told = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        told = "?"
    found = [_PLACE.fullmatch(part) for part in told.split(",")]
    if not all(found):
        raise refuse(HTTPStatus.BAD_REQUEST, "bad-event-id", "this is the id of no event")
    return {(one[1], int(one[2])): int(one[3]) for one in found if one is not None}
