"""The headers that every answer carries: nothing of ours runs scripts, is framed, cached by others, or guessed at.

Called by the gate.
"""

from typing import Final

from starlette.types import Message, Send

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
ALWAYS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Nobody else hears where somebody came from; our own forms do, else browsers send them as if from nowhere (Origin: null).
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"interest-cohort=()"),
)
TLS: Final = ((b"strict-transport-security", b"max-age=31536000"),)
NO_STORE: Final = (b"cache-control", b"no-store")


def with_security(send: Send, *, tls: bool) -> Send:
    """Add them to whatever is sent."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            added = [*ALWAYS, *(TLS if tls else ())]
            if b"cache-control" not in names:
                added.append(NO_STORE)
            message = {**message, "headers": [*given, *added]}
        await send(message)

    return guarded
