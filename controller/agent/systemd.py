"""What is asked of systemd while the agent is installed: its version, whether it runs, and to start what was written.

`installing` calls it; it calls `systemctl` and, for the last words of a daemon that fails, `journalctl`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping

from controller.agent.errors import InstallError
from controller.wire.record import record

SECONDS = 90.0
"""For one call of systemctl; a stop of the old daemon may take 30."""
STEADY = 3.0
"""Seconds that a daemon has to stay up until it counts as running."""
MOMENT = 0.25
LINES = 12
AT_WORK = ("initializing", "starting", "running", "degraded", "maintenance", "stopping")


@record
class Systemd:
    """The systemd of this machine."""

    version: int
    runs: bool


def find_systemd() -> Systemd:
    """Say which systemd is here; version 0 where there is none."""
    if shutil.which("systemctl") is None:
        return Systemd(version=0, runs=False)
    found = re.match(r"systemd ([0-9]{1,5})", _call(["--version"]).stdout)
    state = _call(["is-system-running"]).stdout.strip()
    return Systemd(version=int(found[1]) if found else 0, runs=state in AT_WORK)


def enable(units: tuple[str, ...]) -> None:
    """Have units read anew, and started at each boot.

    Raises:
        InstallError: systemd does not.
    """
    _do("daemon-reload")
    _do("enable", *units)


def start(unit: str) -> None:
    """Start a unit that may run already; it is not disturbed then."""
    _do("start", unit)


def restart(unit: str) -> None:
    """Start a unit, or start it again."""
    _do("restart", unit)


def is_active(unit: str) -> bool:
    """Say whether a unit runs."""
    return _call(["is-active", "--quiet", unit]).returncode == 0


def watch(unit: str, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Wait until a daemon has stayed up for a while.

    Raises:
        InstallError: it ends; the message has its last words.
    """
    before = _state(unit)
    for _ in range(int(STEADY / MOMENT)):
        pause(MOMENT)
        now = _state(unit)
        ended = now.get("ActiveState") not in ("active", "activating")
        again = now.get("SubState") == "auto-restart" or (
            now.get("NRestarts") != before.get("NRestarts")
        )
        if ended or again:
            raise InstallError(
                f"cannot keep {unit} running: it ends by itself{_last_words(unit)}",
                hint=f"journalctl -u {unit} says more; all files are written",
            )


def _state(unit: str) -> Mapping[str, str]:
    said = _call(["show", "--property=ActiveState,SubState,NRestarts", unit]).stdout
    pairs = (line.partition("=") for line in said.splitlines())
    return {name: value for name, _, value in pairs}


def _last_words(unit: str) -> str:
    program = shutil.which("journalctl")
    if program is None:
        return ""
    words = [program, "--unit", unit, "--lines", str(LINES), "--output", "cat", "--no-pager"]
    try:
        said = subprocess.run(
            words, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # they are only an addition to what is told anyway
    lines = said.stdout.strip()
    return f":\n{lines}" if lines else ""


def _do(*words: str) -> None:
    done = _call(list(words))
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise InstallError(f"cannot {' '.join(words)}: systemctl said {said or 'nothing'}")


def _call(words: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["systemctl", "--no-ask-password", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallError(f"cannot ask systemd: {error}") from error
