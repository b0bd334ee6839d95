"""What this machine is and how it does, for greetings and heartbeats.

`answering` asks. How it does is looked up every few seconds in a thread, for a disk that hangs must not hold up a heartbeat.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import sys
from dataclasses import replace
from pathlib import Path

from controller import __version__
from controller.agent.errors import SettingsError
from controller.agent.host import Host
from controller.agent.settings import USUAL, Settings
from controller.execution import linux
from controller.execution.groups import Groups, find_groups
from controller.wire.messages.greetings import Facts, HostState
from controller.wire.messages.server import Pool

EVERY = 10.0
GROUP = "ctl-agent"
ROOT_BASE = "/var/lib/ctl"
OWN_BASE = ".local/state/ctl"
RELEASE = Path("/etc/os-release")
TOOLS = ("sha256sum", "sync", "setsid", "setpriv")
"""What an agent does itself, by the names that carriers ask for."""


class Machine:
    """This machine.

    Args:
        settings: of the agent.
        grouped: cgroups can be made here.
    """

    def __init__(self, settings: Settings, *, grouped: bool) -> None:
        self._settings = settings
        self._host = Host(settings.disk)
        self._state = HostState()
        self._tools = (*TOOLS, "cgroup") if grouped else TOOLS
        self._system = _system()

    def facts(self, pool: Pool) -> Facts:
        """Say what it is."""
        return Facts(
            boot_id=linux.boot_id(),
            login=_login(),
            root=os.geteuid() == 0,
            base=base_of(self._settings),
            tools=self._tools,
            system=self._system,
            machine=os.uname().machine,
            python=".".join(map(str, sys.version_info[:3])),
            agent=__version__,
            scripts_only=self._settings.scripts_only,
            workers=pool.workers,
        )

    def state(self, pool: Pool) -> HostState:
        """Say how it did when it was last looked at."""
        return replace(
            self._state, workers=pool.workers, running=pool.running, waiting=pool.waiting
        )

    async def look(self) -> None:
        """Look how it does now."""
        self._state = (await asyncio.to_thread(self._host.look)).state

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)


def groups_of(settings: Settings) -> Groups | None:
    """Find where cgroups of attempts can be made; None where nowhere.

    Raises:
        SettingsError: not in the folder that is set.
    """
    if not settings.cgroup:
        return find_groups(_group_name(settings.state))
    try:
        return Groups(settings.cgroup)
    except OSError as error:
        raise SettingsError(
            f"--cgroup: cannot make cgroups in {settings.cgroup}: {error.strerror}"
        ) from error


def _group_name(state: str) -> str:
    """Name the folder of an agent without a unit: two on one machine must not sweep each other's."""
    if state == USUAL.state:
        return GROUP
    return f"{GROUP}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"


def base_of(settings: Settings) -> str:
    """Say where markers and locks lie: where the runner over ssh has them, unless another folder is set."""
    if settings.base:
        return settings.base
    if os.geteuid() == 0:
        return ROOT_BASE
    return str(Path(pwd.getpwuid(os.geteuid()).pw_dir) / OWN_BASE)


def _login() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _system() -> str:
    """Name the system as it names itself."""
    try:
        lines = RELEASE.read_text("utf-8", "replace").splitlines()
    except OSError:
        return os.uname().sysname
    named = (
        line.partition("=")[2].strip("\"'") for line in lines if line.startswith("PRETTY_NAME=")
    )
    return next(named, os.uname().sysname)[:200]
