"""The highest lease seen of each cluster, on disk: a controller that lost its right stays refused after a restart.

`pump` calls it before anything is done for a controller with a higher lease.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from controller.agent.errors import AgentError

NAME = "leases.json"
MOST = 1 << 20


class Leases:
    """One file in the agent's state folder.

    Args:
        folder: made where it is missing.

    Raises:
        AgentError: what is there cannot be read; to guess would be to let an old controller act.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._path = self._folder / NAME
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.known = self._read()
        except (OSError, ValueError) as error:
            raise AgentError(
                f"cannot read {self._path}: {error}",
                hint="every controller may act again once the file is gone",
            ) from error

    def keep(self, known: Mapping[str, int]) -> None:
        """Write all leases; they are on disk when this returns.

        Raises:
            OSError: they are not.
        """
        fresh = self._path.with_name(f".{NAME}.new")
        data = json.dumps(dict(known), sort_keys=True).encode()
        opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(opened, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(opened)
        finally:
            os.close(opened)
        fresh.replace(self._path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.known = dict(known)

    def _read(self) -> dict[str, int]:
        try:
            with self._path.open("rb") as file:
                data = file.read(MOST + 1)
        except FileNotFoundError:
            return {}
        found = json.loads(data)
        if not isinstance(found, dict) or not all(type(one) is int for one in found.values()):
            raise ValueError("it does not hold leases")
        return found
