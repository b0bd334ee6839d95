"""Real ssh servers on loopback, with the key, the record and the dialer by which they are reached.

Used by the tests of the transport room and by benchmarks; it calls `transport.loopback`.
"""

import getpass
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from controller.model.inventory import Server, Ssh
from controller.transport import loopback
from controller.transport.ambient import Ambient
from controller.transport.loopback import Loopback
from controller.transport.ssh import SshDialer
from tests.fakes import processes

KEY = "login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """One running sshd and the private key that opens it."""

    loopback: Loopback
    key: Path

    @property
    def server(self) -> Server:
        """Its record in an inventory, with its host key declared."""
        one = self.loopback
        return Server(
            name=one.name,
            address="127.0.0.1",
            ssh=Ssh(user=one.user, port=one.port, key=KEY, host_keys=(one.host_key,)),
        )

    @property
    def base(self) -> Path:
        """Where its state folder is, seen from here."""
        if os.geteuid() == 0:
            return self.loopback.home / "var-lib-ctl"
        return self.loopback.home / ".local/state/ctl"

    def sessions(self) -> list[int]:
        """The sshd processes that serve logins."""
        below = processes.below(self.loopback.process.pid)
        return [pid for pid in below if processes.name_of(pid).startswith("sshd")]

    def kill_sessions(self) -> None:
        """Kill -9 the sshd processes of every login; the listener stays."""
        for pid in self.sessions():
            processes.send(pid, signal.SIGKILL)


def start_sshd(
    folder: Path,
    name: str = "one",
    *,
    openssh: bool = True,
    forwarding: bool = False,
    path: str | None = None,
) -> Sshd:
    """Start a server in a folder of its own; its login key lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "key"
    public = loopback.make_key(key)
    running = loopback.start(
        name,
        folder / name,
        user=getpass.getuser(),
        authorized=public,
        openssh=openssh,
        forwarding=forwarding,
        path=path,
    )
    return Sshd(loopback=running, key=key)


def dialer(
    key: Path,
    *,
    servers: Mapping[str, Server] | None = None,
    known_hosts: bytes = b"",
    ambient: Ambient | None = None,
    logins: int = 50,
) -> SshDialer:
    """Make a dialer whose only secret is the login key."""
    held = {KEY: key.read_bytes()}
    return SshDialer(
        keys=held.__getitem__,
        known_hosts=known_hosts,
        servers=servers or {},
        ambient=ambient,
        nonce=lambda: secrets.token_hex(8),
        logins=logins,
    )


def with_ssh(server: Server, **changes: object) -> Server:
    """Change how a server is logged in to."""
    return replace(server, ssh=replace(server.ssh, **changes))  # type: ignore[arg-type]
