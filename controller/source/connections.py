"""Ssh connections that are kept between two looks at a remote, so that a poll costs no handshake.

Made by `service`, used by `access`; calls ssh. OpenSSH shares one connection through a socket; the sockets lie in a private folder, one
for each way of being known to a host. A connection that nobody uses ends by itself, and all end with `close`.
"""

import hashlib
import secrets
import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Final

SECONDS: Final = 90
"""A connection is kept for so long after its last use: more than the shortest interval of a repo."""
CLOSING: Final = 5.0
LONGEST: Final = 55
"""Letters of the path of the folder above; the path of a socket is 107 at most, and ssh makes it longer for a moment."""
PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class Connections:
    """The connections of one process, in a folder of their own below `parent`.

    Where that is not given, or its path is too long for sockets, the folder lies among the temporary files.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent if parent and len(str(parent)) <= LONGEST else None
        self._folder: Path | None = None
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def options(self, identity: bytes) -> str:
        """Give the options by which ssh shares the connection of one identity; of that only a keyed digest is shown."""
        name = hashlib.blake2b(identity, key=self._key, digest_size=8).hexdigest()
        socket = shlex.quote(str(self._home() / name))
        return f"-oControlMaster=auto -oControlPersist={SECONDS} -oControlPath={socket}"

    def close(self) -> None:
        """End every connection and delete the folder; blocks for a moment."""
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is None:
            return
        asked = [_exit(socket) for socket in folder.glob("*")]
        patience = CLOSING
        for process in asked:
            try:
                process.wait(patience)
            except (
                subprocess.TimeoutExpired
            ):  # the others had as long; what stays ends by itself soon
                patience = 0.0
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    def _home(self) -> Path:
        """Give the folder, made anew where a cleaner of temporary files took it."""
        with self._lock:
            if self._folder is None or not self._folder.is_dir():
                self._folder = Path(tempfile.mkdtemp(prefix="ctl-ssh-", dir=self._parent))
            return self._folder


def _exit(socket: Path) -> "subprocess.Popen[bytes]":
    """Ask the connection behind a socket to end."""
    return subprocess.Popen(
        ["ssh", "-F", "none", "-O", "exit", f"-oControlPath={socket}", "kept"],
        env={"PATH": PATH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
