"""A real ssh server on this machine that looks like a machine of its own, for `ctl demo`, tests and benchmarks.

OpenSSH's sshd where it is installed, else asyncssh's server (`loopback_server`). Each has its own host key, port and
state folder: a home folder of its own, and as root a mount namespace with its own /var/lib/ctl. Called by
`cli.demo`; it calls nothing of ours.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from controller.errors import StateError

SSHD_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/sbin")
START_SECONDS: Final = 10.0

CONFIG: Final = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding {forwarding}
X11Forwarding no
PrintMotd no
MaxStartups 100
LogLevel ERROR
SetEnv {environment}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """One running server: where it listens, who it is, and the process that must be stopped."""

    name: str
    port: int
    user: str
    host_key: str
    home: Path
    kind: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the server; what it started goes on."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_sshd() -> str | None:
    """Say where OpenSSH's server is, None where it is not installed."""
    return shutil.which("sshd", path=os.pathsep.join(SSHD_FOLDERS))


def make_key(path: Path) -> str:
    """Make an ed25519 key without passphrase, 0600; give its public line "type base64"."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(key.export_private_key())
    return key.export_public_key().decode().strip()


def start(
    name: str,
    folder: Path,
    *,
    user: str,
    authorized: str,
    openssh: bool = True,
    forwarding: bool = False,
    path: str | None = None,
) -> Loopback:
    """Start a server below `folder` that lets `authorized` in as `user`.

    Args:
        name: what it is called.
        folder: where its files go; made here.
        user: who may log in: whoever starts it.
        authorized: the public key that opens it.
        openssh: whether OpenSSH's sshd is taken where it is installed.
        forwarding: whether others are reached through it, as through a jump host.
        path: where its commands are looked for, None for where sshd looks.

    Raises:
        StateError: it does not answer within ten seconds.
    """
    home = folder / "home"
    home.mkdir(parents=True)
    (folder / "authorized_keys").write_text(authorized + "\n")
    host_key = make_key(folder / "host_key")
    port = free_port()
    sshd = find_sshd() if openssh else None
    command = (
        asyncssh_command(folder, port)
        if sshd is None
        else openssh_command(sshd, folder, port, forwarding=forwarding, path=path)
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        own_machine(command, home), stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    log.close()
    server = Loopback(
        name=name,
        port=port,
        user=user,
        host_key=host_key,
        home=home,
        kind="asyncssh" if sshd is None else "OpenSSH",
        process=process,
    )
    wait_for_banner(server, folder / "log")
    return server


def openssh_command(
    sshd: str, folder: Path, port: int, *, forwarding: bool, path: str | None
) -> list[str]:
    """Write the configuration of an sshd and give the command that starts it."""
    config = folder / "sshd_config"
    config.write_text(
        CONFIG.format(
            port=port,
            folder=folder,
            environment=f"HOME={folder / 'home'}" + (f" PATH={path}" if path else ""),
            forwarding="yes" if forwarding else "no",
        )
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return [sshd, "-D", "-e", "-f", str(config)]


def asyncssh_command(folder: Path, port: int) -> list[str]:
    """Give the command that starts asyncssh's server."""
    return [sys.executable, "-m", "controller.transport.loopback_server", str(folder), str(port)]


def own_machine(command: list[str], home: Path) -> list[str]:
    """Give a root server a state folder of its own, by a mount namespace; others have their home."""
    if os.geteuid() != 0:
        return command
    own = home / "var-lib-ctl"
    own.mkdir()
    Path("/var/lib/ctl").mkdir(mode=0o700, exist_ok=True)
    script = 'mount --bind "$0" /var/lib/ctl && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(own), *command]


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_banner(server: Loopback, log: Path) -> None:
    """Wait until the server greets."""
    for _ in range(int(START_SECONDS / 0.05)):
        if server.process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=1) as link:
                if link.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    server.stop()
    said = log.read_text(errors="replace").strip()[-500:]
    raise StateError(f"cannot start an ssh server on 127.0.0.1:{server.port}: {said}")
