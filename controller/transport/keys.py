"""Host keys as records, and the port through which they are asked for; no ssh library is loaded by this.

`ctl trust` (in `reconcile`) calls it; `hostkeys` implements it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from controller.model.inventory import Server

SSH_PORT: Final = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A key as a server shows it: its algorithm, base64 text and fingerprint "SHA256:…"."""

    algorithm: str
    encoded: str
    fingerprint: str


class KeyScanner(Protocol):
    """Knows the pinned keys, and asks servers for those they show."""

    def pinned(self, server: Server) -> tuple[HostKey, ...]:
        """List the keys a server may show."""
        ...

    async def scan(self, server: Server) -> tuple[HostKey, ...]:
        """Ask a server for its host keys without logging in; nothing is trusted by that.

        Raises:
            TransportError: it shows none.
        """
        ...


def line(names: Iterable[str], port: int, key: HostKey) -> str:
    """Write the line of known_hosts that pins a key for some names."""
    hosts = [name if port == SSH_PORT else f"[{name}]:{port}" for name in dict.fromkeys(names)]
    return f"{','.join(hosts)} {key.algorithm} {key.encoded}"
