"""Webhooks: a push tells that a repo is worth a look. It is believed when it is signed, and is only a hint even then."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.responses import Response

from controller.api.bodies import Name
from controller.api.call import Asked
from controller.api.problems import refuse
from controller.reconcile.loop.keys import Key, Kind
from controller.source.webhook import HookRefusedError, recognize

DEBOUNCE: Final = 5.0
"""Seconds in which further pushes become the same look."""


async def push(call: Asked, request: Request, repo: Name) -> Response:
    """Take the push of a forge. 202 when it is signed with the repo's secret; what then happens is in the log.

    Whether a repo exists, has a webhook, or was signed wrongly cannot be told apart.
    """
    body = await request.body()
    secret = await call.serving.hook_secret(repo)
    headers: Sequence[tuple[bytes, bytes]] = request.headers.raw
    try:
        hint = await asyncio.to_thread(
            recognize, headers, body, secret or unknown(repo), now=call.serving.clock.now()
        )
    except HookRefusedError as error:
        if secret is not None and error.proven:
            raise refuse(HTTPStatus.BAD_REQUEST, "bad-hook", "this push cannot be read") from None
        raise refuse(
            HTTPStatus.UNAUTHORIZED,
            "bad-signature",
            "this push is not signed with the secret of a repo here",
        ) from None
    if secret is not None and not hint.push:  # a ping, or an issue: signed, and of no interest
        return call.answer({"accepted": False}, status=HTTPStatus.ACCEPTED)
    if secret is None:  # not even a guess of a secret that nobody has
        raise refuse(HTTPStatus.UNAUTHORIZED, "bad-signature", "this push is not signed")
    await call.rooms.activity.append(
        "hook-taken", "webhook", repo=repo, forge=hint.kind.value, commit=hint.commit
    )
    await call.serving.poke(Key(Kind.REPO, repo), why=f"a push by {hint.kind}", after=DEBOUNCE)
    return call.answer({"accepted": True}, status=HTTPStatus.ACCEPTED)


def unknown(repo: str) -> bytes:
    """Give a secret that nobody knows, so that a repo without one takes the same work."""
    return hmac.new(_NOBODY, repo.encode(), hashlib.sha256).hexdigest().encode()


_NOBODY: Final = secrets.token_bytes(32)
