"""Processes of this machine as /proc shows them: who descends from whom, who bears a mark, who is still alive."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")


def all_pids() -> list[int]:
    """Every process there is now."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def fields_of(pid: int) -> list[str]:
    """The fields of its stat from the state on; none when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def name_of(pid: int) -> str:
    """The name of its program, empty when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def below(root: int) -> list[int]:
    """Every descendant of a process, parents first."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        fields = fields_of(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    queue = [root]
    while queue:
        more = children.get(queue.pop(0), [])
        found += more
        queue += more
    return found


def alive(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    fields = fields_of(pid)
    return bool(fields) and fields[0] not in "ZX"


def marked(word: bytes) -> list[int]:
    """Every living process with a word in its environment."""
    return [pid for pid in all_pids() if alive(pid) and word in read(pid, "environ")]


def arguments() -> bytes:
    """The argument lists of all processes."""
    return b"\n".join(read(pid, "cmdline") for pid in all_pids())


def read(pid: int, name: str) -> bytes:
    """One file of a process, empty when it is gone or not ours."""
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def until(holds: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it does not within this time.
    """
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what other processes do gives no event
            await asyncio.sleep(0.02)
