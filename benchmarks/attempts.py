"""Whole small attempts on this machine, recorded, supervised and with stored output, beside a bare spawn of `true`.

What ours does more than the bare spawn: three records on the disk, a supervisor that outlives us, an exit file.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.measure import Row
from controller.execution import linux
from controller.execution.executor import Executor
from controller.execution.spec import Spec

ROUNDS = 3
CONCURRENCY = 32
MANY = 400
FEW = 60
OUTPUT = 200_000_000

One = Callable[[str], Awaitable[object]]


def main(*, rounds: int = ROUNDS) -> list[Row]:
    return asyncio.run(measured(rounds))


async def measured(rounds: int) -> list[Row]:
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    delays: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as made:
        executor = Executor(Path(made) / "room")
        await executor.recover()

        async def ours(name: str) -> None:
            await executor.accept(Spec(id=name, job="job", argv=("true",), workdir="/"))
            await executor.start(name)
            await executor.wait(name)

        for number in range(rounds):
            for kind, one in (("bare", bare), ("ours", ours)):
                delays[kind] += await one_by_one(one, f"few{number}")
                rates[kind].append(await together(one, f"many{number}"))
        resident, private = await memory(executor)
        speed = await throughput(executor)
        await executor.close()
    rate, floor = (statistics.median(rates[kind]) for kind in ("ours", "bare"))
    return [
        (
            f"durable attempts, {CONCURRENCY} at once",
            f"{rate:.0f}/s = {rate / floor:.0%} of bare spawns ({floor:.0f}/s)",
            "≥ 500/s, ≥ 60 %",
        ),
        ("dispatch to exit, one at a time", spread(delays["ours"]), "p50 ≤ 5 ms, p99 ≤ 30 ms"),
        ("bare spawn, one at a time", spread(delays["bare"]), "the floor"),
        (
            "a supervisor's memory",
            f"{private:.1f} MiB its own, {resident:.1f} with all it shares",
            "",
        ),
        ("output stored", f"{speed:.0f} MB/s", "≥ 60 MB/s"),
    ]


async def bare(name: str) -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()


async def one_by_one(one: One, name: str) -> list[float]:
    spent = []
    for number in range(FEW):
        began = time.perf_counter()
        await one(f"{name}.{number}")
        spent.append(time.perf_counter() - began)
    return spent


async def together(one: One, name: str) -> float:
    gate = asyncio.Semaphore(CONCURRENCY)

    async def through(number: int) -> None:
        async with gate:
            await one(f"{name}.{number}")

    began = time.perf_counter()
    await asyncio.gather(*(through(number) for number in range(MANY)))
    return MANY / (time.perf_counter() - began)


async def memory(executor: Executor) -> tuple[float, float]:
    await executor.accept(Spec(id="memory", job="job", argv=("sleep", "100"), workdir="/"))
    await executor.start("memory")
    found = []
    for pid in linux.processes():
        with suppress(OSError, ValueError):
            parent = int((linux.fields(pid) or ["", "0"])[1])
            if "sleep\x00100" in linux.read(f"/proc/{pid}/cmdline") and "nursery" in linux.read(
                f"/proc/{parent}/cmdline"
            ):
                rows = linux.read(f"/proc/{parent}/smaps_rollup").splitlines()
                sizes = {row.split(":")[0]: int(row.split()[1]) / 1024 for row in rows[1:]}
                found.append((sizes["Rss"], sizes["Private_Dirty"] + sizes["Private_Clean"]))
    await executor.stop("memory")
    return found[0]


async def throughput(executor: Executor) -> float:
    began = time.perf_counter()
    command = ("head", "-c", str(OUTPUT), "/dev/zero")
    await executor.accept(Spec(id="output", job="job", argv=command, workdir="/"))
    await executor.start("output")
    await executor.wait("output")
    return OUTPUT / 1e6 / (time.perf_counter() - began)


def spread(spent: list[float]) -> str:
    cuts = statistics.quantiles(spent, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
