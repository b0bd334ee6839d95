"""Who signs the next certificate of an agent, as both carriers of agents know him.

Kept apart from `renewal`, which does it and needs the whole of `pki`, so that a command by hand does not pay for that.
"""

from collections.abc import Awaitable, Callable

from controller.wire.messages.renewal import Renew, Renewed
from controller.wire.messages.server import Failed

Renewer = Callable[[str, bytes, Renew], Awaitable[Renewed | Failed]]
"""Answers an agent: its name, the certificate of its connection in DER, and what it asks."""
