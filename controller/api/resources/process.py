"""How this controller does: for load balancers, for people, for Prometheus."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from starlette.responses import PlainTextResponse, Response

from controller.api import metrics
from controller.api.call import Asked
from controller.api.resources.fleet import within
from controller.model.serving import Part
from controller.reconcile.documents import FORMAT_VERSION, iso

SILENT: Final = timedelta(seconds=30)
"""After three heartbeats that did not come, a part is not running."""


async def healthz(call: Asked) -> Response:
    """Say that the process answers. Asks nothing else, so that a slow database does not get it killed."""
    return PlainTextResponse("ok\n")


async def readyz(call: Asked) -> Response:
    """Say whether declarations are in force and the state answers: 200 or 503."""
    await call.serving.store.marks.get("ready")
    if call.serving.generation is None:
        return PlainTextResponse(
            "no declarations are in force yet\n", HTTPStatus.SERVICE_UNAVAILABLE
        )
    return PlainTextResponse("ready\n")


async def heartbeat(call: Asked) -> Response:
    """Answer nothing, quickly: 204."""
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def version(call: Asked) -> Response:
    """Give the version of the program and of the documents."""
    return call.answer({"format_version": FORMAT_VERSION, "version": call.serving.version})


async def health(call: Asked) -> Response:
    """List the parts of the controller, in this process and in others: which run, and when each was last seen."""
    now = call.serving.clock.now()
    parts = [part_document(part, now) for part in newest(await call.serving.store.parts.all())]
    good = all(part["running"] for part in parts)
    document = {
        "status": "ok" if good else "degraded",
        "version": call.serving.version,
        "started_at": iso(call.serving.started_at),
        "parts": parts,
    }
    return call.answer(document)


def newest(parts: tuple[Part, ...]) -> list[Part]:
    """Give the newest heartbeat of each part of each instance; the order is that of the names.

    A part that a later process on its host has taken up is gone, not in trouble: that is what a restart looks like.
    """

    def taken_up(old: Part) -> bool:
        return any(
            (new.name, new.host) == (old.name, old.host) and new.started_at > old.seen_at
            for new in parts
        )

    left = (part for part in parts if not taken_up(part))
    return sorted(left, key=lambda part: (part.name, part.instance))


def part_document(part: Part, now: datetime) -> dict[str, object]:
    """Give one part."""
    return {
        "name": part.name,
        "running": now - part.seen_at <= SILENT,
        "instance": part.instance,
        "host": part.host,
        "pid": part.pid,
        "version": part.version,
        "started_at": iso(part.started_at),
        "seen_at": iso(part.seen_at),
        "failures": part.failures,
        "error": part.error,
    }


async def numbers(call: Asked) -> Response:
    """Give all numbers in the format of Prometheus."""
    inside, contacts = call.servers_seen(), await call.serving.store.contacts.all()
    if inside is not None:
        contacts = {name: one for name, one in contacts.items() if name in inside}
    text = metrics.render(call.desk.meter, within(call, await call.desk.glance.status()), contacts)
    return Response(text, media_type=metrics.MEDIA)
