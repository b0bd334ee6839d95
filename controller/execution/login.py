"""Who a command runs as: the user's numbers, groups and home, and the environment built from nothing.

`starter` calls it; it asks the system's user database, in a thread, for directories of users may be slow.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from controller.execution import clock
from controller.execution.errors import FullError, RefusedError

FRESH = 5.0
"""Seconds for which a user found is taken as it was."""
MOST = 256
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Login:
    """A user of this machine; `switch` when it is not the agent's own."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str
    switch: bool

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Build the environment of a command from nothing."""
        return {
            "PATH": PATH,
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": self.shell,
            "LANG": "C.UTF-8",
            **more,
        }


class Logins:
    """Users found lately."""

    def __init__(self) -> None:
        self._found: dict[str | None, tuple[float, Login]] = {}

    async def find(self, name: str | None) -> Login:
        """Find a user and every group of theirs; None is the agent's own user.

        Raises:
            RefusedError: there is no such user here, or the agent may not become it.
        """
        found = self._found.get(name)
        if found is not None and clock.monotonic() < found[0] + FRESH:
            return found[1]
        asked = clock.monotonic()
        login = await asyncio.get_running_loop().run_in_executor(None, find_login, name)
        if len(self._found) >= MOST:
            self._found.clear()
        self._found[name] = (asked, login)
        return login


def _check_descriptors() -> None:
    """Tell a user that is not here from a database that cannot be opened: the answer is the same.

    Raises:
        FullError: out of descriptors.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise FullError(f"cannot look for a user: {error.strerror}") from error


def find_login(name: str | None) -> Login:
    """Find a user and every group of theirs; None is the agent's own user.

    Raises:
        RefusedError: there is no such user here, or the agent may not become it.
        FullError: out of descriptors.
    """
    try:
        entry = pwd.getpwuid(os.geteuid()) if name is None else pwd.getpwnam(name)
    except KeyError as error:
        _check_descriptors()
        raise RefusedError(f"cannot become {name or os.geteuid()}: no such user here") from error
    switch = entry.pw_uid != os.geteuid()
    if switch and os.geteuid() != 0:
        raise RefusedError(
            f"cannot become {entry.pw_name}: the agent does not run as root",
            hint="run the agent as root",
        )
    return Login(
        name=entry.pw_name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)) if switch else (),
        home=entry.pw_dir or "/",
        shell=entry.pw_shell or "/bin/sh",
        switch=switch,
    )
