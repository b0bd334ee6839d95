"""Measuring: seconds of processor time, of this process or of a program with all its children, and medians.

Processor time, because wall time on a busy machine measures the machine. Where wall time is what people wait for, both
are given.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Row = tuple[str, str, str]
"""What was measured, what was seen, and the height it is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one program took, its children included; `peak` is the largest resident size of one process in MiB."""

    cpu: float
    wall: float
    peak: float


def cpu_of(work: Callable[[], object]) -> float:
    """Give the processor seconds that a call takes in this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def run(
    argv: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Spent:
    """Run a program to its end and say what it took.

    Raises:
        RuntimeError: it failed, so that nothing was measured.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in argv],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)  # its own and those of the children it waited for
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))} ended with {process.returncode}")
    return Spent(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=time.perf_counter() - started,
        peak=usage.ru_maxrss / 1024,
    )


def median(spent: Sequence[Spent]) -> Spent:
    """Give the median of each number on its own."""
    return Spent(
        cpu=statistics.median(one.cpu for one in spent),
        wall=statistics.median(one.wall for one in spent),
        peak=statistics.median(one.peak for one in spent),
    )


def interleaved(
    programs: Mapping[str, Sequence[str | Path]], *, rounds: int, folder: Path | None = None
) -> dict[str, Spent]:
    """Run several programs in turn, so that a busy moment meets all of them; the first round warms up and is dropped."""
    taken: dict[str, list[Spent]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, argv in programs.items():
            spent = run(argv, folder=folder)
            if number:
                taken[name].append(spent)
    return {name: median(spent) for name, spent in taken.items()}


def peak_here() -> float:
    """Give the largest resident size of this program so far, in MiB.

    Not from `getrusage`: that counts the moment between fork and exec, when a program is still as large as its parent.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
