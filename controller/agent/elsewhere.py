"""Attempts as the runner over ssh sees them, in `attempts/` of the base: whether its own run, and that ours do.

A lock is held while any attempt under it runs, whoever started it. So the agent judges the runner's attempts as the
runner does, and leaves for each attempt that it starts under a lock what the runner looks for: `claim` and `pid`. `agent`
beside them says that they are ours to take away again. `targets` calls it; it calls the disk and `execution.linux`.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from controller.agent.errors import AgentError
from controller.execution import linux

OURS = ("claim", "pid", "agent")
PAUSES = (0.05, 0.2, 0.5, 1.0)
LINGERS = (0.1, 0.5, 1.0, 1.0)
MOST = 4096


class Elsewhere:
    """The attempts of the runner over ssh.

    Args:
        base: the folder that both carriers share.
        boot: id of this boot.
    """

    def __init__(self, base: Path, boot: str) -> None:
        self._attempts = base / "attempts"
        self._boot = boot

    def claimed(self, name: str) -> bool:
        """Say whether the runner has ever started this attempt."""
        folder = self._attempts / name
        return (folder / "claim").exists() and not (folder / "agent").exists()

    def runs(self, name: str) -> bool:
        """Say whether an attempt of the runner runs; looks again where it is just starting or ending."""
        folder = self._attempts / name
        claim = _first(folder / "claim")
        if (folder / "agent").exists():
            return False  # one of ours, of which the ledger says more
        if claim is None or _ended(folder) or claim not in ("", self._boot):
            return False
        for pause in PAUSES:
            if _first(folder / "pid"):
                break
            time.sleep(pause)
        return alive(_first(folder / "pid") or "") or self._lingers(folder)

    def show(self, name: str, job: str, keeper: str) -> None:
        """Have the runner see an attempt of ours as running for as long as its keeper lives.

        Args:
            name: of the attempt.
            job: it belongs to.
            keeper: pid and start time of a process.

        Raises:
            AgentError: the disk refused.
        """
        folder = self._attempts / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file, said in (("agent", ""), ("pid", keeper), ("claim", f"{self._boot}\n{job}\n")):
                fresh = folder / f"{file}.new"
                fresh.write_text(f"{said}\n")
                fresh.replace(folder / file)
        except OSError as error:
            raise AgentError(f"cannot write to {folder}: {error.strerror}") from error

    def hide(self, name: str) -> None:
        """Take away what was shown of an attempt of ours."""
        folder = self._attempts / name
        if not (folder / "agent").exists():
            return
        with contextlib.suppress(OSError):
            for file in OURS:
                (folder / file).unlink(missing_ok=True)
            folder.rmdir()

    def shown(self) -> list[str]:
        """Name the attempts of ours that are shown."""
        try:
            return [one.name for one in self._attempts.iterdir() if (one / "agent").exists()]
        except OSError:
            return []

    @staticmethod
    def _lingers(folder: Path) -> bool:
        """The runner's pump has gone, but its leader may be about to record the end."""
        for pause in LINGERS:
            if not (folder / "code").exists() or (folder / "exit").exists():
                return False
            time.sleep(pause)
        return True


def keeper_of(pid: int) -> str:
    """Write a process as locks name it: its pid and when it started."""
    return f"{pid} {linux.start_time(pid) or 0}"


def alive(keeper: str) -> bool:
    """Say whether exactly this process lives."""
    pid, _, started = keeper.strip().partition(" ")
    if not (pid.isdigit() and started.isdigit()) or int(pid) < 1:
        return False
    return linux.start_time(int(pid)) == int(started)


def own_keeper() -> str:
    """Write this process as locks name it."""
    return keeper_of(os.getpid())


def _first(path: Path) -> str | None:
    """Give the first line of a file; None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(MOST).split(b"\n", 1)[0].decode("utf-8", "replace")
    except OSError:
        return None


def _ended(folder: Path) -> bool:
    line = _first(folder / "exit")
    return line is not None and line.endswith(" .")
