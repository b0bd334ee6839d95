"""Answers to requests with an Idempotency-Key: what was done once is answered again, not done again.

Called by the gate; calls the store. The key is reserved before anything is done, so that two of the same at once do not both go on.
"""

import hashlib
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from controller.api.body import Headers, header
from controller.api.call import Call
from controller.api.problems import MEDIA_TYPE, refuse
from controller.api.route import Route
from controller.model.serving import Answered

LONGEST: Final = 255


def key_of(route: Route, headers: Headers) -> str | None:
    """Read the key of a request.

    Raises:
        ProblemError: it is none, or answers of this kind are not kept.
    """
    given = header(headers, b"idempotency-key")
    if given is None or not route.unsafe:
        return None
    if route.method != "POST" or route.secret:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            "no-idempotency-key-here",
            "answers to this are not kept, and it takes no Idempotency-Key",
        )
    text = given.decode("latin-1").strip('" ')
    if not text or len(text) > LONGEST or not text.isascii() or not text.isprintable():
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            "bad-idempotency-key",
            f"an Idempotency-Key has 1 to {LONGEST} printable ASCII letters",
        )
    return text


def beginning(call: Call, key: str, target: bytes, body: bytes) -> Answered:
    """Say what is asked for under a key."""
    asked = hashlib.sha256(b"\0".join((call.route.method.encode(), target, body))).hexdigest()
    return Answered(
        key=key, caller=call.caller, request=asked, status=0, body="", at=call.serving.clock.now()
    )


async def earlier(call: Call, begun: Answered) -> Answered | None:
    """Reserve a key; give the answer that was given under it before.

    Raises:
        ProblemError: it stands for another request, or for one that has not been answered yet.
    """
    found = await call.serving.store.answers.reserve(begun)
    if found is None:
        return None
    if found.request != begun.request:
        raise refuse(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "this Idempotency-Key was used for another request",
            hint="take a fresh one for each thing that is to be done",
        )
    if found.status == 0:
        raise refuse(
            HTTPStatus.CONFLICT,
            "still-at-work",
            "the first request of this Idempotency-Key has not been answered yet",
            hint="ask again in a moment; if the controller was killed meanwhile, look at /api/v1/runs",
            retry_after="1",
        )
    return found


def replayed(call: Call, before: Answered) -> Response:
    """Give an answer again, and say that it is one."""
    good = before.status < HTTPStatus.BAD_REQUEST
    return Response(
        before.body,
        status_code=before.status,
        media_type=call.route.media if good else MEDIA_TYPE,
        headers={"idempotency-replayed": "true"},
    )


async def keep(call: Call, begun: Answered, status: int, body: bytes) -> None:
    """Keep an answer; what came to nothing by our own fault may be tried again."""
    answers = call.serving.store.answers
    if HTTPStatus.OK <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        await answers.complete(replace(begun, status=status, body=body.decode("utf-8", "replace")))
    else:
        await answers.drop(begun.key, begun.caller)
