"""The next certificate of an agent, asked for over the session that it has.

The only request that an agent makes; `agent` sends it where both sides named the feature, the carrier answers it.
"""

from __future__ import annotations

from controller.wire.record import record

FEATURE = "renewal"
"""What a side names that asks, or answers, at all; one that does not is never asked."""
SHARE = 1 / 3
"""Of a certificate's life: it is renewed when no more than that is left, and not before."""


@record
class Renew:
    """Sign for a new key; answered by `renewed`. Of the request (PKCS #10, PEM) only the key is taken."""

    request: bytes = b""


@record
class Renewed:
    """The certificate of that key, in the same name and role, and every authority that is trusted now, both in PEM."""

    certificate: bytes = b""
    authority: bytes = b""
