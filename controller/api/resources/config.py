"""The config repository: have it looked at now, and its rewind accepted by somebody who says why.

The worker looks, in this process or in another; what is asked for and what came of it are marks of the state.
"""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from controller.api.bodies import RepoCheckBody
from controller.api.call import Asked, Call
from controller.api.problems import refuse
from controller.model.ids import Sha
from controller.model.token import Role
from controller.reconcile.exchange.checks import ConfigCheck
from controller.reconcile.loop import looks
from controller.reconcile.loop.accepting import ACCEPTED
from controller.reconcile.loop.keys import CONFIG
from controller.reconcile.said import all_said

WAIT: Final = 20.0
"""Seconds that whoever asks waits for the look; it goes on without them."""
PAUSE: Final = 0.25


async def check(call: Asked, body: RepoCheckBody) -> Response:
    """Look at the config repository now; `accept_rewind` (admins, with a reason) takes history that was rewritten."""
    marks = call.serving.store.marks
    before, since = await in_force(call), call.serving.clock.now()
    if body.accept_rewind:
        await accept(call, body.reason, before)
    await call.serving.poke(CONFIG, why=f"checked by {call.actor.name}")
    look = await looked(call, since)
    now = await in_force(call)
    error = None if look is None else look.message
    if look is not None and look.commit is not None and look.commit != now:
        said = (await all_said(marks, str(CONFIG))).get(str(CONFIG))
        error = "its declarations hold errors" if said is None else said.message
    return call.answer(
        ConfigCheck(
            in_force=now,
            previous=before,
            commit=None if look is None else look.commit,
            error=error,
            error_code=None if look is None else look.reference,
            hint=None if look is None else look.hint,
            waiting=look is None,
        )
    )


async def in_force(call: Call) -> Sha | None:
    """Say which commit is in force, for every process of the state."""
    found = await call.serving.store.marks.get(ACCEPTED)
    return None if found is None else Sha(found)


async def accept(call: Call, reason: str, previous: Sha | None) -> None:
    """Write down that somebody accepts a rewind; the next look hears it."""
    call.must_reach_all()
    if call.grant.role is not Role.ADMIN:
        raise refuse(
            HTTPStatus.FORBIDDEN, "not-allowed", "to accept rewritten history needs the role admin"
        )
    if not reason.strip():
        raise refuse(
            HTTPStatus.UNPROCESSABLE_ENTITY, "usage", "accepting a rewritten history needs a reason"
        )
    told = {"repo": str(CONFIG), "previous": previous, "reason": reason}
    await call.rooms.activity.append("rewind-accepting", call.actor.name, **told)
    given = looks.Consent(
        by=call.actor.name, reason=reason, at=call.serving.clock.now(), previous=previous
    )
    await looks.consent(call.serving.store.marks, given)


async def looked(call: Call, since: datetime) -> looks.Look | None:
    """Wait for a look that began after a moment; None where none is over in time."""
    try:
        async with asyncio.timeout(WAIT):
            while True:
                look = await looks.last(call.serving.store.marks)
                if look is not None and look.began >= since:
                    return look
                await call.serving.wait_news(PAUSE)
    except TimeoutError:
        return None
