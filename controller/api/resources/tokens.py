"""Tokens: made, listed, rotated, revoked, and what was done about them. For admins whose scope is the whole fleet."""

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path
from starlette.responses import Response

from controller.api.bodies import RotateBody, TokenBody
from controller.api.call import Asked
from controller.api.paging import Limit
from controller.model.token import Scope
from controller.reconcile.access.tokens import Minted
from controller.reconcile.documents import line_document, token_document

AUDITED: Final = 10_000
"""Lines of the activity log that are looked through."""
Id = Annotated[str, Path(pattern="^[0-9A-Za-z]{8}$")]


async def listing(call: Asked) -> Response:
    """List all tokens, those that are over included; never what proves them."""
    call.must_reach_all()
    now = call.serving.clock.now()
    return call.answer(
        [
            {**token_document(one), "refusal": one.refusal(now)}
            for one in await call.desk.tokens.all()
        ]
    )


async def create(call: Asked, body: TokenBody) -> Response:
    """Make a token. Its text is in this answer and nowhere else."""
    call.must_reach_all()
    made = await call.desk.tokens.create(
        name=body.name,
        role=body.role,
        scope=Scope(targets=body.scope.targets, servers=body.scope.servers),
        expires=None if body.expires is None else timedelta(seconds=body.expires),
        by=call.actor.name,
    )
    return call.answer(minted_document(made), status=HTTPStatus.CREATED)


async def rotate(call: Asked, id: Id, body: RotateBody) -> Response:  # noqa: A002
    """Make a token in the place of another, which stays good for `grace` seconds."""
    call.must_reach_all()
    made = await call.desk.tokens.rotate(
        id, grace=timedelta(seconds=body.grace), by=call.actor.name
    )
    return call.answer(minted_document(made), status=HTTPStatus.CREATED)


async def revoke(call: Asked, id: Id) -> Response:  # noqa: A002
    """End a token now; its open streams end within seconds."""
    call.must_reach_all()
    return call.answer(token_document(await call.desk.tokens.revoke(id, by=call.actor.name)))


async def audit(call: Asked, limit: Limit = 100) -> Response:
    """List what was done with tokens and by them, newest last, from the end of the activity log."""
    call.must_reach_all()
    lines = await asyncio.to_thread(call.rooms.activity.tail, AUDITED)
    found = [line for line in lines if line.event.startswith(("token-", "api-"))]
    return call.answer([line_document(line) for line in found[-limit:]])


def minted_document(made: Minted) -> dict[str, object]:
    """Give a token just made, and its text."""
    return {**token_document(made.token), "text": made.text}
