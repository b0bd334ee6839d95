"""Texts of /proc as numbers. Pure; `host` calls it.

Formats: proc(5), sections `stat`, `meminfo`, `loadavg` and `uptime`. Each reader raises ValueError for a text that is no
such file; lines and columns of later kernels are ignored.
"""

from __future__ import annotations

import math

from controller.wire.record import record

LOADS = 3
IDLE, IOWAIT, STEAL = 3, 4, 7
"""Columns of a line of `stat`. Those after steal are guests, which user and nice contain already."""


@record
class CpuTimes:
    """Clock ticks of all processors since the boot: not idle, and in all."""

    busy: int
    total: int
    processors: int

    def share_since(self, before: CpuTimes | None) -> float:
        """Give the share in use since an earlier look, 0 to 1; without one since the boot."""
        busy = self.busy - (before.busy if before else 0)
        total = self.total - (before.total if before else 0)
        # The kernel may count iowait backwards, and processors come and go.
        return min(1.0, max(0.0, busy / total)) if total > 0 else 0.0


@record
class Memory:
    """Bytes in use, caches not counted, and bytes there are."""

    used: int
    total: int


def read_stat(text: str) -> CpuTimes:
    """Read /proc/stat; time stolen by a hypervisor counts as in use, for nobody here could have it."""
    lines = text.splitlines()
    sums = next((line.split()[1:] for line in lines if line.startswith("cpu ")), None)
    if sums is None or len(sums) <= IOWAIT:
        raise ValueError("no line of all processors")
    ticks = [int(number) for number in sums[: STEAL + 1]]
    idle = ticks[IDLE] + ticks[IOWAIT]
    processors = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)
    return CpuTimes(busy=sum(ticks) - idle, total=sum(ticks), processors=max(1, processors))


def read_meminfo(text: str) -> Memory:
    """Read /proc/meminfo; on kernels before 3.14 what is available is estimated."""
    sizes = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and words and words[0].isdigit():
            sizes[name] = int(words[0]) << 10
    if "MemTotal" not in sizes:
        raise ValueError("no MemTotal")
    guess = sum(sizes.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))
    total = sizes["MemTotal"]
    free = min(total, sizes.get("MemAvailable", guess))
    return Memory(used=total - free, total=total)


def read_loadavg(text: str) -> tuple[float, ...]:
    """Read /proc/loadavg: processes that run or wait, over 1, 5 and 15 minutes."""
    loads = tuple(_number(word) for word in text.split()[:LOADS])
    if len(loads) < LOADS:
        raise ValueError("fewer than three numbers")
    return loads


def read_uptime(text: str) -> float:
    """Read /proc/uptime: seconds since the boot."""
    words = text.split()
    if not words:
        raise ValueError("empty")
    return _number(words[0])


def _number(word: str) -> float:
    value = float(word)
    if not math.isfinite(value) or value < 0:
        raise ValueError("no number from 0")
    return value
