"""A message as a JSON POST, signed as Standard Webhooks says where there is a key (https://www.standardwebhooks.com).

Called by the outbox; calls the network. The address is whatever the owner of the secret wrote, private networks included:
chat servers mostly live there. Whoever may write that secret can make the controller post a notification to any address that
it reaches; nothing of the answer but its status ever comes back.
"""

import base64
import binascii
import hashlib
import hmac
import http
import json
import ssl
from dataclasses import dataclass, field
from typing import Final

from controller.notify.exchange import Answer, Request, ask, retry_after
from controller.notify.message import Message
from controller.notify.trouble import NotifyError

PREFIX: Final = "whsec_"
"""Begins a key in the form of Standard Webhooks: the rest is its bytes in base64."""
PASSING: Final = frozenset({408, 409, 423, 425, 429})
"""Statuses below 500 that tell of the moment and not of the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where to post, and the key to sign with, as the secrets say; neither is ever shown."""

    url: str = field(repr=False)
    key: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None


async def send(message: Message, endpoint: Webhook) -> None:
    """Post a message.

    Raises:
        NotifyError: it was not taken.
    """
    body = json.dumps(message.document, ensure_ascii=True, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "tillerman"}
    headers |= signature(message, body, endpoint.key)
    request = Request(method="POST", url=endpoint.url, headers=headers, body=body)
    answer = await ask(request, context=endpoint.context)
    if not is_success(answer):
        raise refusal(answer, message)


def signature(message: Message, body: bytes, key: str | None) -> dict[str, str]:
    """Give the headers by which a receiver knows a message again, and whether it is ours.

    Raises:
        NotifyError: the key is not one.
    """
    moment = str(int(message.at.timestamp()))
    headers = {"webhook-id": message.id, "webhook-timestamp": moment}
    if key is not None:
        signed = f"{message.id}.{moment}.".encode() + body
        digest = hmac.digest(_key(key), signed, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def is_success(answer: Answer) -> bool:
    """Say whether a message was taken."""
    return http.HTTPStatus.OK <= answer.status < http.HTTPStatus.MULTIPLE_CHOICES


def refusal(answer: Answer, message: Message) -> NotifyError:
    """Say why a message was not taken, and whether it is of use to try again."""
    later = answer.status in PASSING or answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return NotifyError(
        f"it answers {answer.status}",
        permanent=not later,
        retry_after=retry_after(answer, message.at.timestamp()) if later else None,
        hint=None if later else "look whether the address in the secret is still right",
    )


def _key(text: str) -> bytes:
    if not text.startswith(PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise NotifyError(
            f"the key to sign with begins with {PREFIX}, but no base64 follows",
            permanent=True,
            hint="make one: openssl rand -base64 32",
        ) from None
