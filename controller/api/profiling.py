"""What this process is doing, as numbers and names of functions: stacks, tasks, where time and memory go.

Called by the routes under `/debug`, which are only there with `--debug`. No value of any variable is ever read: a frame is told as
file, line and function. What goes on for a while is bounded in seconds, stacks and lines.
"""

import asyncio
import gc
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePath
from types import FrameType
from typing import Final

DEEPEST: Final = 100
"""Frames of one stack; the outermost of a deeper one are left out."""
MOST_TASKS: Final = 2_000
"""Tasks that are listed; all are counted."""
MOST_STACKS: Final = 10_000
"""Different stacks of one profile; what comes then is counted together."""
MOST_ROWS: Final = 50
"""Types, and lines that allocated, that are listed."""
BETWEEN_SAMPLES: Final = 0.005
"""Seconds; at 200 a second the looking itself takes about a hundredth of a processor."""
OWN: Final = "controller"


def threads() -> list[dict[str, object]]:
    """List the threads with their stacks, the innermost frame last."""
    names = {one.ident: one for one in threading.enumerate()}
    found: list[dict[str, object]] = []
    for ident, frame in frames():
        known = names.get(ident)
        found.append(
            {
                "name": "unknown" if known is None else known.name,
                "daemon": known is not None and known.daemon,
                "stack": list(stack_of(frame)),
            }
        )
    return sorted(found, key=lambda one: str(one["name"]))


def frames() -> Iterable[tuple[int, FrameType]]:
    """Give where each thread is now, by its number."""
    return sys._current_frames().items()  # noqa: SLF001 - the documented way, whatever its name says


def stack_of(frame: FrameType | None) -> tuple[str, ...]:
    """Tell a stack from the outside in."""
    stack: list[str] = []
    while frame is not None and len(stack) < DEEPEST:
        stack.append(told(frame))
        frame = frame.f_back
    return tuple(reversed(stack))


def told(frame: FrameType) -> str:
    """Tell a frame: what is called, and where that stands."""
    code = frame.f_code
    return f"{code.co_qualname} ({short(code.co_filename)}:{frame.f_lineno})"


def short(path: str) -> str:
    """Leave out of a path where programs are installed."""
    parts = PurePath(path).parts
    for root in (OWN, "site-packages"):
        if root in parts:
            at = len(parts) - 1 - parts[::-1].index(root)
            return "/".join(parts[at if root == OWN else at + 1 :])
    return "/".join(parts[-2:])


def tasks() -> dict[str, object]:
    """Count the tasks of the event loop by what they run, and list where each waits."""
    alive = [one for one in asyncio.all_tasks() if not one.done()]
    rows = sorted(map(_task, islice(alive, MOST_TASKS)), key=lambda row: str(row["runs"]))
    counts = Counter(str(row["runs"]) for row in rows)
    return {"count": len(alive), "by": dict(counts.most_common()), "tasks": rows}


def _task(task: asyncio.Task[object]) -> dict[str, object]:
    stack = [told(frame) for frame in task.get_stack(limit=DEEPEST)]
    return {"runs": _runs(task), "stack": stack}


def _runs(task: asyncio.Task[object]) -> str:
    """Name what a task runs; its own name may hold what somebody typed."""
    return str(getattr(task.get_coro(), "__qualname__", "unknown"))


def profile(stopped: threading.Event) -> str:
    """Look at all threads again and again, and count what was seen: a line for each stack, as flame graphs are made of.

    Blocks until it is stopped; called in a thread of its own, which it leaves out.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    own = threading.get_ident()
    while not stopped.wait(BETWEEN_SAMPLES):
        for ident, frame in frames():
            if ident != own:
                stack = stack_of(frame)
                seen[stack if stack in seen or len(seen) < MOST_STACKS else ("others",)] += 1
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in seen.most_common())


def memory() -> dict[str, object]:
    """Tell how much memory the process has, and of what objects there are most."""
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return {
        "status": dict(_status()),
        "collector": {"counts": gc.get_count(), "generations": gc.get_stats()},
        "objects": sum(kinds.values()),
        "by": dict(kinds.most_common(MOST_ROWS)),
    }


def _status() -> Iterator[tuple[str, int]]:
    """Read what the kernel counts of us, in bytes."""
    wanted: Mapping[str, str] = {"VmRSS": "resident", "VmHWM": "resident_peak", "VmSize": "virtual"}
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        name, _, rest = line.partition(":")
        if name in wanted:
            yield wanted[name], int(rest.split()[0]) << 10


def allocations(stopped: threading.Event) -> list[dict[str, object]]:
    """Watch what is allocated, and list the lines whose memory is still held at the end.

    Blocks until it is stopped. The whole process is slower meanwhile, by about a half.
    """
    tracemalloc.start()
    try:
        stopped.wait()
        kept = tracemalloc.take_snapshot().statistics("lineno")
    finally:
        tracemalloc.stop()
    return [*_lines(kept[:MOST_ROWS])]


def _lines(kept: Iterable[tracemalloc.Statistic]) -> Iterator[dict[str, object]]:
    for one in kept:
        frame = one.traceback[0]
        where = f"{short(frame.filename)}:{frame.lineno}"
        yield {"at": where, "bytes": one.size, "objects": one.count}
