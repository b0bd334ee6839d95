"""The few headers of a request that matter for a webhook, bounded and each at most once.

Called by `source.webhook`; calls nobody. Names and values are bytes, as they came: what is no text of any encoding is no error here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from controller.source.webhooks.refusals import HookRefusedError

MOST: Final = 200
"""Headers of one request."""
LONGEST: Final = 4096
"""Bytes of one value."""
EVENTS: Final = (
    b"x-forgejo-event",
    b"x-gitea-event",
    b"x-gogs-event",
    b"x-github-event",
    b"x-gitlab-event",
    b"x-event-key",
)
DELIVERIES: Final = (
    b"x-forgejo-delivery",
    b"x-gitea-delivery",
    b"x-gogs-delivery",
    b"x-github-delivery",
    b"webhook-id",
    b"x-gitlab-event-uuid",
    b"x-request-uuid",
    b"x-request-id",
)
"""Where a sender says which delivery this is; the first that is there counts."""
KNOWN: Final = frozenset(
    {
        *EVENTS,
        *DELIVERIES,
        b"x-forgejo-signature",
        b"x-gitea-signature",
        b"x-gogs-signature",
        b"x-hub-signature-256",
        b"x-hub-signature",
        b"x-hook-uuid",
        b"x-signature",
        b"x-gitlab-token",
        b"webhook-signature",
        b"webhook-timestamp",
        b"content-type",
    }
)
WORDS: Final = re.compile(r"[\x20-\x7e]{1,200}")

Headers = Mapping[bytes, bytes]


def collect(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Pick what is known, by names in small letters.

    Raises:
        HookRefusedError: one of them is there twice or too long, or there are too many headers.
    """
    found: dict[bytes, bytes] = {}
    for count, (name, value) in enumerate(pairs):
        if count == MOST:
            raise HookRefusedError(f"more than {MOST} headers")
        small = name.lower()
        if small not in KNOWN:
            continue
        if small in found:
            raise HookRefusedError(f"the header {small.decode()} is there twice")
        if len(value) > LONGEST:
            raise HookRefusedError(f"the header {small.decode()} is longer than {LONGEST} bytes")
        found[small] = value.strip(b" \t")
    return found


def first(headers: Headers, names: Iterable[bytes]) -> str | None:
    """Give the first of several headers that is there, if it holds nothing but printable ASCII."""
    value = next((headers[name] for name in names if name in headers), b"")
    text = value.decode("ascii", "replace")
    return text if WORDS.fullmatch(text) else None
