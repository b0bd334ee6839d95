"""Pinned host keys: looking them up, and asking a server for those it shows.

Nothing is ever trusted by being seen. Called by `ssh` for every connection and by `ctl trust` through `service`.
"""

import asyncio
from typing import Final

import asyncssh

from controller.errors import UsageError
from controller.model.inventory import Server
from controller.transport.causes import unreachable
from controller.transport.keys import HostKey

SCAN_SECONDS: Final = 10.0
ALGORITHMS: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512")

Trusted = tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]
"""Host keys, authorities and revoked keys, as asyncssh takes them."""


class PinnedKeys:
    """A known_hosts file, parsed once however many servers are dialled."""

    def __init__(self, known_hosts: bytes) -> None:
        """Parse a file.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            self._known = asyncssh.import_known_hosts(known_hosts.decode())
        except (ValueError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the pinned host keys: {error}") from error

    def of(self, server: Server) -> Trusted:
        """Give the keys a server may show: those it is declared with, else those that are pinned."""
        if server.ssh.host_keys:
            return [declared_key(line) for line in server.ssh.host_keys], [], []
        names = dict.fromkeys((server.name, server.address))
        found: Trusted = ([], [], [])
        for name in names:
            keys = self._known.match(name, "", server.ssh.port)
            for kind, more in zip(found, keys[:3], strict=True):
                kind.extend(more)
        return found


def declared_key(line: str) -> asyncssh.SSHKey:
    """Parse "type base64".

    Raises:
        UsageError: it is not a public key.
    """
    try:
        return asyncssh.import_public_key(line)
    except asyncssh.KeyImportError as error:
        raise UsageError(f"cannot read the declared host key {line[:40]!r}: {error}") from error


class SshKeyScanner:
    """The pinned keys of a known_hosts file, and the keys that servers show now."""

    def __init__(self, known_hosts: bytes) -> None:
        self._pinned = PinnedKeys(known_hosts)

    def pinned(self, server: Server) -> tuple[HostKey, ...]:
        """List the keys a server may show."""
        return tuple(host_key(key) for key in self._pinned.of(server)[0])

    async def scan(self, server: Server) -> tuple[HostKey, ...]:
        """Ask a server for its host keys without logging in."""
        return await scan(server)


async def scan(server: Server) -> tuple[HostKey, ...]:
    """Ask a server for its host keys without logging in.

    Raises:
        TransportError: it shows none.
    """

    async def ask(algorithm: str) -> asyncssh.SSHKey | Exception | None:
        try:
            async with asyncio.timeout(SCAN_SECONDS):
                return await asyncssh.get_server_host_key(
                    server.address, server.ssh.port, server_host_key_algs=[algorithm], config=None
                )
        except (OSError, asyncssh.Error) as error:
            return error

    answers = [await ask(algorithm) for algorithm in ALGORITHMS]
    keys = [a for a in answers if isinstance(a, asyncssh.SSHKey)]
    if keys:
        return tuple(host_key(key) for key in keys)
    errors = [a for a in answers if isinstance(a, Exception)]
    raise unreachable(server, errors[0] if errors else OSError("it shows no host key"))


def host_key(key: asyncssh.SSHKey) -> HostKey:
    """Describe a key."""
    algorithm, encoded = key.export_public_key().decode().split()[:2]
    return HostKey(algorithm=algorithm, encoded=encoded, fingerprint=key.get_fingerprint())
