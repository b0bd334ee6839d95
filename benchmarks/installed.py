"""An agent as it is installed: packed, compiled by the interpreter that runs it, a process of its own, with certificates.

`dispatch` starts some; it is beside the floor that `floor` starts: the same TLS, the same spawn, and nothing else.
"""

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from controller.agent import installing, packing, unit
from controller.execution import linux
from controller.execution.cgroup import Group
from controller.pki import founding, issuing
from controller.pki.role import Role

NAME, HUB = "agent-1", "hub"
NUMBERS = itertools.count(1)
PATIENCE = 20.0
TICKS = 100
LISTENS = re.compile(r"listens on 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that listens."""

    pid: int
    port: int
    took: float
    """Seconds until it did."""

    def cpu(self) -> float:
        """Give the processor seconds of it and of all it has started, with those that have ended."""
        return sum(
            sum(int(ticks) for ticks in about[11:15]) / TICKS
            for pid in family(self.pid)
            if (about := linux.fields(pid)) is not None
        )

    def memory(self) -> "Memory":
        """Say how much it has, without its children."""
        return Memory.of(self.pid)

    def whole(self) -> float:
        """Give the proportional MiB of it and of all it has started."""
        return sum(Memory.of(pid).shared for pid in family(self.pid))

    def peak(self) -> float:
        """Give the most MiB it has ever had."""
        return _kilobytes(Path(f"/proc/{self.pid}/status").read_text(), "VmHWM") / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MiB of one process: resident, and with its share of what others have, too."""

    resident: float
    shared: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Look at a process; nothing of one that is gone."""
        with suppress(OSError):
            said = Path(f"/proc/{pid}/smaps_rollup").read_text()
            return cls(
                resident=_kilobytes(said, "Rss") / 1024, shared=_kilobytes(said, "Pss") / 1024
            )
        return cls(resident=0.0, shared=0.0)


def family(pid: int) -> list[int]:
    """Give a process and all that descend from it."""
    parents = linux.parents()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def certify(folder: Path) -> None:
    """Make an authority, an agent and a controller."""
    now = datetime.now(UTC)
    founding.found(folder, now=now, by="bench@here", organisation="Bench")
    for name, role in ((NAME, Role.AGENT), (HUB, Role.CONTROLLER)):
        wish = issuing.Wish(name=name, role=role, alternatives=("127.0.0.1",))
        issuing.issue(folder, wish, now=now, by="bench@here")


def install(folder: Path, python: str) -> Path:
    """Pack an agent and compile it, as `ctl agent install` does."""
    plain, compiled = folder / "plain.pyz", folder / "ctl-agent.pyz"
    plain.write_bytes(packing.pack_agent())
    subprocess.run([python, plain, "compile", compiled], check=True, capture_output=True)
    return compiled


def command(python: str, program: Path) -> list[str]:
    """Start an agent as its unit does, after the same preparation, with a cache in its own folder."""
    cache = program.parent / "cache"
    words = [python, *(one.replace(unit.CACHE, str(cache)) for one in unit.FLAGS)]
    installing.warm_up(words, str(program))
    return [*words, str(program)]


def papers(folder: Path, pki: Path) -> Path:
    """Give an agent the certificates that it has, and no others."""
    own = folder / "pki"
    own.mkdir(mode=0o700)
    for name in (f"{NAME}.crt", f"{NAME}.key", "ca.crt"):
        (own / name).write_bytes((pki / name).read_bytes())
        (own / name).chmod(0o600)
    return own


@contextmanager
def agent(folder: Path, pki: Path, python: str, *words: str) -> Iterator[Running]:
    """Run an agent, with a state of its own."""
    folder.mkdir()
    argv = [
        *(*command(python, install(folder, python)), "run", "--listen", "127.0.0.1:0"),
        *("--name", NAME, "--pki", str(papers(folder, pki))),
        *("--state", str(folder / "state"), "--base", str(folder / "base"), *words),
    ]
    with own_groups() as more, process([*argv, *more], folder / "log") as running:
        yield running


@contextmanager
def own_groups() -> Iterator[tuple[str, ...]]:
    """Give an agent a folder for cgroups: it would sweep those of another agent on this machine, and that one its own."""
    mount = linux.unified_mount()
    if mount is None or not os.access(mount, os.W_OK):
        yield ()
        return
    base = f"{mount}/ctl-bench-{os.getpid()}-{next(NUMBERS)}"
    try:
        yield (f"--cgroup={base}",)
    finally:
        for _ in range(100):
            if Group(base).remove():
                break
            time.sleep(0.05)


@contextmanager
def floor(folder: Path, pki: Path) -> Iterator[Running]:
    """Run what does no more than speak TLS and spawn."""
    argv = [sys.executable, "-m", "benchmarks.dispatch_floor", str(pki)]
    with process(argv, folder / "floor.log") as running:
        yield running


@contextmanager
def process(argv: list[str], log: Path) -> Iterator[Running]:
    """Run a program that says where it listens, and end it with all that it has started.

    Raises:
        RuntimeError: it does not say so.
    """
    began = time.perf_counter()
    with log.open("wb") as out:
        started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        port = listening(started, log)
        yield Running(pid=started.pid, port=port, took=time.perf_counter() - began)
    finally:
        started.terminate()
        try:
            started.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def listening(started: "subprocess.Popen[bytes]", log: Path) -> int:
    """Wait for the line with the port."""
    end = time.monotonic() + PATIENCE
    while started.poll() is None and time.monotonic() < end:
        found = LISTENS.search(log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.002)
    raise RuntimeError(f"it does not listen: {log.read_text()[-500:]}")


def _kilobytes(text: str, word: str) -> int:
    return int(text.partition(f"{word}:")[2].split()[0])
