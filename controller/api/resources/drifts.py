"""What differs on the servers now, and the patch that would declare it. Opens the servers."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from controller.api.bodies import Name
from controller.api.call import Asked, Call
from controller.reconcile.documents import drift_document

Wanted = Annotated[Name | None, Query()]


async def drift(
    call: Asked,
    target: Wanted = None,
    limit: Annotated[str | None, Query(min_length=1, max_length=4096)] = None,
) -> Response:
    """Say what differs on the servers now, and what speaks for who did it. Opens the servers."""
    if target is None:
        call.must_reach_all()
    else:
        call.must_reach(targets=[target])
        if not call.grant.whole:
            call.must_reach(servers=members(call, target))
    return call.answer(drift_document(await call.controller.drift(target, limit=limit)))


def members(call: Call, target: str) -> tuple[str, ...]:
    """Give the servers of a declared target."""
    found = call.declaration.targets.get(target)
    return () if found is None else found.members


async def patch(
    call: Asked,
    target: Annotated[Name, Query()],
    server: Annotated[Name, Query()],
    path: Annotated[str | None, Query(min_length=1, max_length=4096)] = None,
) -> Response:
    """Give the drifted files of a server as a patch of the config repository, and what cannot be one. Changes nothing."""
    call.must_reach(targets=[target], servers=[server])
    return call.answer(await call.controller.adopt_drift(target, server, path=path))
