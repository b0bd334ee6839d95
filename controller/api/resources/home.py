"""The plain page at `/`: how everything stands, for people, read-only."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, cast

from starlette.responses import Response

from controller.api import shapes
from controller.api.call import Asked, Call
from controller.api.pages import page
from controller.api.resources.fleet import within
from controller.api.resources.logs import sees_line
from controller.api.shapes import Shape, shown
from controller.journal.log import Log
from controller.model.applied import Applied
from controller.model.declaration import Target
from controller.reconcile.documents import (
    iso,
    job_document,
    line_document,
    plain,
    status_document,
)

Rows = list[dict[str, object]]
JOBS: Final = 20
LINES: Final = 10
SERVERS: Final = 100
TARGETS: Final = 30
HEAD: Final = frozenset({"ts", "event", "actor", "seq", "prev"})


async def home(call: Asked) -> Response:
    """Show targets, servers, recent jobs, and the last lines of both logs, at the level that whoever looks may see."""
    report = within(call, await call.desk.glance.status())
    status = seen_by(call, status_document(report, state=""), shapes.STATUS)
    jobs = await call.serving.store.jobs.list(limit=JOBS * 5)
    recent = [job_document(job) for job in jobs if call.sees(job)][:JOBS]
    invalid = call.serving.invalid
    facts = {
        "now": iso(call.serving.clock.now().replace(microsecond=0)),
        "commit": status["commit"],
        "observed": status["observed_at"],
        "invalid": None
        if invalid is None
        else {
            "message": "",
            **seen_by(call, plain(invalid), shapes.shape("at", "sha")),
            "commit": invalid.sha,
        },
        "targets": [with_(one, message="") for one in rows(status["targets"])],
        "next_runs": {one["target"]: one["at"] or "never" for one in rows(status["next_runs"])},
        "problems": [with_(one, message="", clear=None) for one in rows(status["problems"])],
        "matrix": await matrix(call),
        "jobs": [seen_by(call, one, shapes.JOB) for one in recent],
        "logs": [
            {"name": name, "lines": await last_lines(call, log)}
            for name, log in (
                ("activity", call.rooms.activity),
                ("connectivity", call.rooms.connectivity),
            )
        ],
    }
    return page(call, "home.html", "Status", facts)


def rows(value: object) -> Rows:
    """Take a list of objects for what it is."""
    return cast("Rows", value)


def with_(row: Mapping[str, object], **missing: object) -> dict[str, object]:
    """Fill in what strangers do not see."""
    return {**missing, **row}


def seen_by(call: Call, document: object, shape: Shape) -> dict[str, object]:
    """Give a document as whoever asks sees it."""
    made = plain(document)
    return cast("dict[str, object]", shown(made, shape) if call.strange else made)


async def matrix(call: Call) -> dict[str, object]:
    """Say what stands on which server of which target; so many of both at most."""
    seen = await call.desk.glance.seen()
    contacts = await call.serving.store.contacts.all()
    inside = call.servers_seen()
    targets = [
        one for name, one in sorted(call.declaration.targets.items()) if call.sees_target(name)
    ][:TARGETS]
    names = sorted(
        {name for one in targets for name in one.members if inside is None or name in inside}
    )
    lines = [
        {
            "server": name,
            "down": name in contacts and contacts[name].down,
            "cells": [cell(one, name, seen.records) for one in targets],
        }
        for name in names[:SERVERS]
    ]
    more = max(0, len(names) - SERVERS)
    return {"targets": [one.name for one in targets], "rows": lines, "more": more}


def cell(
    target: Target, server: str, records: Mapping[tuple[str, str], Applied]
) -> dict[str, str] | None:
    """Say what is in force of a pair; None where the target does not pick the server."""
    if server not in target.members:
        return None
    record = records.get((target.name, server))
    if record is None:
        return {"state": "unknown", "commit": ""}
    state = "applied" if record.tried is None else "tried"
    return {"state": state, "commit": (record.commit or record.config_commit or "")[:7]}


async def last_lines(call: Call, log: Log) -> list[dict[str, object]]:
    """Give the last lines of a log, newest last."""
    deep = LINES if call.grant.whole else LINES * 50
    found = await asyncio.to_thread(log.tail, deep)
    told: Iterable[dict[str, object]] = (
        line_document(one) for one in found if sees_line(call, one)
    )
    kept = [seen_by(call, one, shapes.LOG.inner["items"]) for one in told][-LINES:]
    return [{"actor": "", **one, "rest": rest_of(one)} for one in kept]


def rest_of(line: Mapping[str, object]) -> str:
    """Write the other fields of a line."""
    return " ".join(f"{name}={value}" for name, value in line.items() if name not in HEAD)
