"""Whole small attempts on this machine, recorded, supervised and with stored output, beside a bare spawn of `true`.

What ours does more than the bare spawn: three records on the disk, a supervisor that outlives us, an exit file. Both run in
turn, in one run; the share of the bare rate is what is held against the height on a machine that does something else, too.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Row
from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.spec import Spec

ROUNDS = 5
CONCURRENCY = 32
MANY = 400
FEW = 60
OUTPUT = 200_000_000
SAID = 20_000
"""Bytes that an attempt says in the row about small output."""

One = Callable[[str], Awaitable[object]]


@dataclass(slots=True)
class Seen:
    """What one kind of spawn took: attempts a second, processor seconds of each, seconds of each alone."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cost(self) -> str:
        return f"{statistics.median(self.costs) * 1000:.1f} ms CPU each"


def main(*, rounds: int = ROUNDS) -> list[Row]:
    return asyncio.run(measured(rounds))


async def measured(rounds: int) -> list[Row]:
    seen = {kind: Seen() for kind in ("bare", "ours", "said", "cgroup", "disk")}
    async with room(None) as plain, room(make_groups()) as grouped:
        kinds: dict[str, tuple[One, Executor | None]] = {
            "bare": (bare, None),
            "ours": (attempts(plain, "true"), plain),
            "said": (attempts(plain, "head", "-c", str(SAID), "/dev/zero"), plain),
            "cgroup": (attempts(grouped, "true"), grouped),
        }
        for number in range(rounds + 1):  # the first one warms up
            seen["disk"].delays += to_disk()
            for kind, (one, executor) in kinds.items():
                delays = await one_by_one(one, f"{kind}{number}.few")
                rate, cost = await together(one, f"{kind}{number}.many", executor)
                if number:
                    seen[kind].delays += delays
                    seen[kind].rates.append(rate)
                    seen[kind].costs.append(cost)
        sizes = await memory(plain)
        speeds = [await throughput(plain, f"output{number}") for number in range(rounds)]
    return rows(seen, sizes, statistics.median(speeds))


def rows(seen: dict[str, Seen], sizes: dict[str, tuple[float, float]], speed: float) -> list[Row]:
    ours, bare, said, cgroup = (seen[kind] for kind in ("ours", "bare", "said", "cgroup"))
    own, whole = sizes["supervisor"]
    return [
        (
            f"bare spawns, {CONCURRENCY} at once",
            f"{bare.rate:.0f}/s, {bare.cost}",
            "the floor",
        ),
        (
            f"durable attempts, {CONCURRENCY} at once",
            f"{ours.rate:.0f}/s = {ours.rate / bare.rate:.0%} of bare, {ours.cost}",
            "≥ 500/s, ≥ 60 %",
        ),
        (
            "the same, each in a cgroup",
            f"{cgroup.rate:.0f}/s = {cgroup.rate / bare.rate:.0%} of bare, {cgroup.cost}",
            "",
        ),
        (
            f"the same, each says {SAID // 1000} kB",
            f"{said.rate:.0f}/s = {said.rate / bare.rate:.0%} of bare, {said.cost}",
            "",
        ),
        ("300 bytes to the disk, one at a time", spread(seen["disk"].delays), "three for each"),
        ("bare spawn, one at a time", spread(bare.delays), "the floor"),
        ("dispatch to exit, one at a time", spread(ours.delays), "p50 ≤ 5 ms, p99 ≤ 30 ms"),
        ("the same, in a cgroup", spread(cgroup.delays), ""),
        ("a supervisor's memory", f"{own:.1f} MiB its own, {whole:.1f} with all it shares", ""),
        ("the nursery's memory", f"{sizes['nursery'][0]:.1f} MiB its own", ""),
        ("output stored", f"{speed:.0f} MB/s", "≥ 60 MB/s"),
    ]


@asynccontextmanager
async def room(groups: Groups | None) -> AsyncIterator[Executor]:
    with tempfile.TemporaryDirectory() as made:
        executor = Executor(Path(made) / "room", groups=groups, kept=100_000)
        await executor.recover()
        yield executor
        await executor.close()
    if groups is not None:
        for _ in range(100):
            if Group(groups.base).remove():
                return
            await asyncio.sleep(0.05)


def make_groups() -> Groups | None:
    """A folder for cgroups; None where we may not have one, and then those rows are the same as the others."""
    mount = linux.unified_mount()
    try:
        return Groups(f"{mount}/ctl-bench-{os.getpid()}") if mount is not None else None
    except OSError:
        return None


def attempts(executor: Executor, *argv: str) -> One:
    async def one(name: str) -> None:
        await executor.accept(Spec(id=name, job="job", argv=argv, workdir="/"))
        await executor.start(name)
        status = await executor.wait(name)
        if status.end is None or status.end.exit_code != 0:
            raise RuntimeError(f"an attempt failed: {status}")

    return one


async def bare(name: str) -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()


def to_disk() -> list[float]:
    """Give the seconds that a small write takes until it outlives a loss of power, on the disk the attempts lie on."""
    spent = []
    with tempfile.TemporaryFile() as file:
        for _ in range(FEW):
            began = time.perf_counter()
            os.write(file.fileno(), b"x" * 300)
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - began)
    return spent


async def one_by_one(one: One, name: str) -> list[float]:
    spent = []
    for number in range(FEW):
        began = time.perf_counter()
        await one(f"{name}.{number}")
        spent.append(time.perf_counter() - began)
    return spent


async def together(one: One, name: str, executor: Executor | None) -> tuple[float, float]:
    """Give attempts a second, and processor seconds of each with all that served it."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def through(number: int) -> None:
        async with gate:
            await one(f"{name}.{number}")

    served = processor(executor)
    began = time.perf_counter()
    await asyncio.gather(*(through(number) for number in range(MANY)))
    took = time.perf_counter() - began
    cost = sum(now - served.get(pid, 0.0) for pid, now in processor(executor).items())
    return MANY / took, cost / MANY


def processor(executor: Executor | None) -> dict[int, float]:
    """Give the processor seconds of this program and of each supervisor, those of their commands included."""
    own = os.times()
    spent = {os.getpid(): own.user + own.system + own.children_user + own.children_system}
    for pid in supervisors(executor):
        about = linux.fields(pid)
        if about is not None:
            spent[pid] = sum(int(ticks) for ticks in about[11:15]) / os.sysconf("SC_CLK_TCK")
    return spent


def supervisors(executor: Executor | None) -> list[int]:
    if executor is None:
        return []
    nursery = executor._starter.pool._spawner._process  # noqa: SLF001 — nobody else needs to know
    parent = 0 if nursery is None else nursery.pid
    return [pid for pid, above in linux.parents().items() if above == parent]


async def memory(executor: Executor) -> dict[str, tuple[float, float]]:
    """Give the MiB of a supervisor at work and of the nursery: their own, and with what they share."""
    await executor.accept(Spec(id="memory", job="job", argv=("sleep", "100"), workdir="/"))
    await executor.start("memory")
    busy = executor._watch.get("memory").pid  # noqa: SLF001
    nursery = linux.parents()[busy]
    found = {"supervisor": size(busy), "nursery": size(nursery)}
    await executor.stop("memory")
    return found


def size(pid: int) -> tuple[float, float]:
    with suppress(OSError, ValueError):
        lines = linux.read(f"/proc/{pid}/smaps_rollup").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
        return sizes["Private_Dirty"] + sizes["Private_Clean"], sizes["Rss"]
    return 0.0, 0.0


async def throughput(executor: Executor, name: str) -> float:
    began = time.perf_counter()
    await attempts(executor, "head", "-c", str(OUTPUT), "/dev/zero")(name)
    return OUTPUT / 1e6 / (time.perf_counter() - began)


def spread(spent: list[float]) -> str:
    cuts = statistics.quantiles(spent, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
