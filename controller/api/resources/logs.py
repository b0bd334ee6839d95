"""The activity and connectivity logs, newest first."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from controller.api.bodies import Moment
from controller.api.call import Asked, Call
from controller.api.paging import Page, Paged, page_of, read_cursor
from controller.api.problems import refuse
from controller.journal.line import Line
from controller.journal.log import Log
from controller.journal.verify import Finding
from controller.reconcile.documents import findings_document, line_document

LONGEST = 18
"""Digits of the number of a line."""
DEEP = 100_000
"""Lines that are looked through for a page."""


async def activity(
    call: Asked, page: Paged, since: Annotated[Moment | None, Query()] = None
) -> Response:
    """List who changed what, newest first."""
    return await lines(call, "activity", call.rooms.activity, page, since)


async def connectivity(
    call: Asked, page: Paged, since: Annotated[Moment | None, Query()] = None
) -> Response:
    """List which server was reachable when, and why not, newest first."""
    return await lines(call, "connectivity", call.rooms.connectivity, page, since)


async def verify(call: Asked) -> Response:
    """Check the hash chain of both logs: that no line was altered, removed or put in later. Reads all of them."""
    call.must_reach_all()
    logs = {"activity": call.rooms.activity, "connectivity": call.rooms.connectivity}
    return call.answer(findings_document({name: await checked(log) for name, log in logs.items()}))


async def checked(log: Log) -> tuple[Finding, ...]:
    """Check one log; what looks broken is looked at again, because a line may have been written in that very moment."""
    found = await asyncio.to_thread(log.verify)
    if any(one.broken for one in found):
        found = await asyncio.to_thread(log.verify)
    return found


async def lines(call: Call, name: str, log: Log, page: Page, since: datetime | None) -> Response:
    """Answer with a page of a log."""
    last = number(read_cursor(name, page.cursor))
    enough = page.limit + 1 if last is None and call.grant.whole else DEEP
    found = await asyncio.to_thread(log.tail, enough)
    shown = [
        line
        for line in reversed(found)
        if (last is None or line.seq < last)
        and (since is None or line.ts >= since)
        and sees_line(call, line)
    ]
    return call.answer(
        page_of(
            name, shown[: page.limit + 1], lambda line: str(line.seq), page.limit, line_document
        )
    )


def number(last: str | None) -> int | None:
    """Read the number of a line from a cursor.

    Raises:
        ProblemError: 400, when it holds none.
    """
    if last is None:
        return None
    if not last.isascii() or not last.isdecimal() or len(last) > LONGEST:
        raise refuse(HTTPStatus.BAD_REQUEST, "bad-cursor", "this cursor is of no list here")
    return int(last)


def sees_line(call: Call, line: Line) -> bool:
    """Say whether a line is within the scope: it names a target or a server, and those are."""
    if call.grant.whole:
        return True
    target, server = line.fields.get("target"), line.fields.get("server")
    inside = call.servers_seen()
    if call.grant.targets and not (isinstance(target, str) and call.sees_target(target)):
        return False
    return inside is None or (isinstance(server, str) and server in inside)
