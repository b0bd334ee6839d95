"""Which keys a login offers: the declared one, or by hand what the person has at hand.

Called by `ssh`. Private keys are parsed once, however many servers use them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from controller.errors import SecretError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport.ambient import Ambient

IDENTITIES: Final = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one login offers; `tried` names it for people."""

    user: str
    keys: tuple[asyncssh.SSHKey, ...]
    agent: str | None
    tried: str


class Logins:
    """Finds the login for each server."""

    def __init__(self, keys: Callable[[str], bytes], ambient: Ambient | None) -> None:
        self._secrets = keys
        self._ambient = ambient
        self._parsed: dict[str, asyncssh.SSHKey] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, server: Server) -> Login:
        """Say what to offer a server; nobody else waits while a key is read, which may be in a Vault.

        Raises:
            SecretError: the declared key cannot be read or is no private key.
            TransportError: nothing is declared, and there is nobody whose keys could be used.
        """
        ssh, ambient = server.ssh, self._ambient
        user = ssh.user or (None if ambient is None else ambient.user)
        if user is None:
            raise no_login(server, "no user is declared")
        if ssh.key is not None:
            key = await self._secret(ssh.key)
            return Login(user=user, keys=(key,), agent=None, tried=f"key {ssh.key}")
        if ssh.key_file is not None:
            key = await self._file(expand(ssh.key_file, ambient))
            return Login(user=user, keys=(key,), agent=None, tried=ssh.key_file)
        if ambient is None:
            raise no_login(server, "neither key nor use_agent is declared")
        if ssh.use_agent:
            return Login(user=user, keys=(), agent=ambient.agent, tried="the ssh agent")
        return await self._at_hand(user, ambient)

    async def _at_hand(self, user: str, ambient: Ambient) -> Login:
        """Offer the person's agent and usual identities that need no passphrase."""
        keys, names = [], []
        for name in IDENTITIES:
            path = ambient.home / ".ssh" / name
            if path.is_file():
                try:
                    keys.append(await self._file(path))
                except SecretError:
                    names.append(f"~/.ssh/{name} (needs a passphrase)")
                    continue
                names.append(f"~/.ssh/{name}")
        if ambient.agent is not None:
            names.insert(0, "the ssh agent")
        tried = ", ".join(names) or "nothing: there is no ssh agent and no ~/.ssh/id_*"
        return Login(user=user, keys=tuple(keys), agent=ambient.agent, tried=tried)

    async def _secret(self, name: str) -> asyncssh.SSHKey:
        return await self._once(f"secret {name}", lambda: self._secrets(name))

    async def _file(self, path: Path) -> asyncssh.SSHKey:
        return await self._once(str(path), lambda: read_file(path))

    async def _once(self, name: str, read: Callable[[], bytes]) -> asyncssh.SSHKey:
        """Read and parse a key in a thread, once for all who wait for it."""
        if name not in self._parsed:
            async with self._turns[name]:
                if name not in self._parsed:
                    self._parsed[name] = await asyncio.to_thread(lambda: parse_key(read(), name))
        return self._parsed[name]


def read_file(path: Path) -> bytes:
    """Read the file of a key.

    Raises:
        SecretError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SecretError(f"cannot read the key {path}: {error.strerror}") from error


def parse_key(data: bytes, name: str) -> asyncssh.SSHKey:
    """Parse a private key.

    Raises:
        SecretError: it is no private key, or it needs a passphrase.
    """
    try:
        return asyncssh.import_private_key(data)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        raise SecretError(
            f"cannot use {name} as an ssh key: {error}",
            hint="it must be an unencrypted private key; keys with a passphrase go into an ssh agent",
        ) from error


def expand(path: str, ambient: Ambient | None) -> Path:
    """Expand `~` by the person's home."""
    if path.startswith("~/") and ambient is not None:
        return ambient.home / path[2:]
    return Path(path)


def no_login(server: Server, why: str) -> TransportError:
    """Say that a server cannot be logged in to as declared."""
    return TransportError(
        f"cannot log in to {server.name}: {why} (no-login)",
        cause=Unreachable.AUTH,
        hint="declare ssh: {user: …, key: …} for it or its group",
    )
