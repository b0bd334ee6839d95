"""From a request to a hint: a webhook is verified over its bytes, then hardly read at all.

Called by the face that takes `POST /hooks/{repo}`; calls `webhooks`. Pure. What comes out is a reason to look at a repo and nothing
more, so that a replay costs one look and a lie costs one look.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from controller.source.webhooks.headers import DELIVERIES, EVENTS, collect, first
from controller.source.webhooks.kinds import Hint, Kind
from controller.source.webhooks.payloads import is_push, read
from controller.source.webhooks.refusals import HookRefusedError
from controller.source.webhooks.signing import verify

__all__ = ["LARGEST", "Hint", "HookRefusedError", "Kind", "recognize"]

LARGEST: Final = 25 << 20
"""Bytes of a body; GitHub sends no more."""


def recognize(
    headers: Iterable[tuple[bytes, bytes]], body: bytes, secret: bytes, *, now: datetime
) -> Hint:
    """Verify a webhook and say what it hints at.

    Args:
        headers: names and values as they came, in any case of letters, repeated ones included.
        body: the bytes that came, unchanged.
        secret: what the sender must know; a line's end after it does not count.
        now: the time by which signed times are judged.

    Raises:
        HookRefusedError: it is not signed with the secret, or (`proven`) its body makes no sense.
    """
    if len(body) > LARGEST:
        raise HookRefusedError(f"the body is larger than {LARGEST >> 20} MiB")
    known = collect(headers)
    kind = verify(known, body, secret, now=now)
    event = first(known, EVENTS) or ""
    moved = read(kind, event, body, content_type=known.get(b"content-type", b""))
    return Hint(
        kind=kind,
        event=event,
        push=is_push(kind, event),
        ref=moved.ref,
        commit=moved.commit,
        delivery=first(known, DELIVERIES),
    )
