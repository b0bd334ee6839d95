"""The queue and the store under load, beside what the disk alone allows: one appended line and one fsync at a time.

The queue: add, take and done of keys that are all different, added and worked on by 16 each in one process. The store: one line of a ledger and the job
as it stands after, by 64 callers at once, each waiting until its own is durable; and one run with 5,000 jobs. PostgreSQL is left out
where there is none. The activity log: lines by 64 callers, each waiting until its own is durable, beside a line and an fsync at a time in turn with it.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Row
from controller.clock import SystemClock
from controller.journal.log import Log
from controller.model.job import State
from controller.store.ports import Store
from controller.store.postgres import open_store as open_postgres
from controller.store.sqlite import open_store
from controller.workqueue.memory import MemoryQueue
from controller.workqueue.port import Queue
from controller.workqueue.postgres import PostgresQueue
from tests.fakes.postgres import Cluster, binaries, started
from tests.store.shelf import a_job, a_run, an_event, with_bodies

ROUNDS = 3
WORKERS = 16
KEYS = 2_000
CALLERS = 64
TRANSITIONS = 6_000
FAN_OUT = 5_000
LINES = 300
TRANSITIONS_AT_LEAST = 3_000
FAN_OUT_WITHIN = 0.5


def main(*, rounds: int = ROUNDS) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rows = [floor(place, rounds)]
        rows.append(activity_row(place, rounds))
        rows.append(repeated("memory queue: add, take, done", rounds, memory_queue, "none"))
        rows += store_rows("SQLite, FULL", rounds, lambda number: sqlite(place, number))
        programs = binaries()
        if programs is None:
            return [*rows, ("PostgreSQL", "there is none on this machine", "none")]
        with started(programs) as cluster:
            cluster.template()
            rows += postgres_rows(cluster, rounds)
    return rows


def postgres_rows(cluster: Cluster, rounds: int) -> list[Row]:
    def queue() -> float:
        return asyncio.run(postgres_queue(cluster.fresh()))

    async def store(_: int) -> Store:
        return await asyncio.to_thread(open_postgres, cluster.fresh(), clock=SystemClock())

    title = "PostgreSQL queue: add, take, done"
    return [repeated(title, rounds, queue, "none"), *store_rows("PostgreSQL", rounds, store)]


def repeated(title: str, rounds: int, once: Callable[[], float], height: str) -> Row:
    seen = [once() for _ in range(rounds)]
    return title, f"{statistics.median(seen):,.0f} a second", height


def floor(folder: Path, rounds: int) -> Row:
    """Append a line of the size of an event and wait for the disk, again and again."""
    title = "disk alone: append, fsync"
    return repeated(
        title, rounds, lambda: one_at_a_time(folder), "none: the floor of one at a time"
    )


def one_at_a_time(folder: Path) -> float:
    descriptor = os.open(folder / "floor", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    begun = time.perf_counter()
    for _ in range(LINES):
        os.write(descriptor, b"x" * 300)
        os.fsync(descriptor)
    took = time.perf_counter() - begun
    os.close(descriptor)
    return LINES / took


def activity_row(folder: Path, rounds: int) -> Row:
    """Compare the activity log with lines of its size that are flushed one at a time."""
    seen = [(asyncio.run(activity(folder)), one_at_a_time(folder)) for _ in range(rounds)]
    rate = statistics.median(log for log, _ in seen)
    ratio = statistics.median(log / alone for log, alone in seen)
    title = f"activity log: durable lines by {CALLERS} callers, beside append, fsync"
    return title, f"{rate:,.0f} a second, {ratio:.1f} times", "at least 3 times"


async def activity(folder: Path) -> float:
    log = Log(folder, "activity", clock=SystemClock())
    numbers = iter(range(TRANSITIONS))

    async def caller() -> None:
        for number in numbers:
            await log.append(
                "job-ended", "ops@example.com", job=f"job-{number}", server="web-1", seconds=1.5
            )

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return TRANSITIONS / (time.perf_counter() - begun)


def memory_queue() -> float:
    return asyncio.run(through(MemoryQueue(SystemClock())))


async def postgres_queue(url: str) -> float:
    queue = PostgresQueue(url)
    await queue.start()
    try:
        return await through(queue)
    finally:
        await queue.close()


async def through(queue: Queue) -> float:
    """Send keys through a queue; give keys a second."""
    left = KEYS
    ended = asyncio.Event()

    async def worker() -> None:
        nonlocal left
        while True:
            claim = await queue.take()
            await queue.done(claim)
            left -= 1
            if not left:
                ended.set()

    begun = time.perf_counter()
    workers = [asyncio.create_task(worker()) for _ in range(WORKERS)]
    keys = iter(range(KEYS))
    await asyncio.gather(*(add_all(queue, keys) for _ in range(WORKERS)))
    await ended.wait()
    took = time.perf_counter() - begun
    for one in workers:
        one.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return KEYS / took


async def add_all(queue: Queue, keys: Iterator[int]) -> None:
    for number in keys:
        await queue.add(f"server/{number}")


async def sqlite(folder: Path, number: int) -> Store:
    return open_store(folder / f"ctl{number}", clock=SystemClock())


def store_rows(title: str, rounds: int, opens: Callable[[int], Awaitable[Store]]) -> list[Row]:
    async def once(number: int) -> tuple[float, float]:
        store = await opens(number)
        try:
            return await fan_out(store), await transitions(store)
        finally:
            await store.close()

    seen = [asyncio.run(once(number)) for number in range(rounds)]
    spread = statistics.median(fan for fan, _ in seen)
    rate = statistics.median(rate for _, rate in seen)
    return [
        (
            f"{title}: transitions of jobs by {CALLERS} callers",
            f"{rate:,.0f} a second",
            f"at least {TRANSITIONS_AT_LEAST:,}",
        ),
        (f"{title}: one run of {FAN_OUT:,} jobs", f"{spread:.2f} s", f"within {FAN_OUT_WITHIN} s"),
    ]


async def fan_out(store: Store) -> float:
    jobs = with_bodies(*(a_job(number) for number in range(FAN_OUT)))
    begun = time.perf_counter()
    await store.runs.add(a_run(), jobs)
    return time.perf_counter() - begun


async def transitions(store: Store) -> float:
    numbers = iter(range(TRANSITIONS))

    async def caller() -> None:
        for number in numbers:
            job = replace(a_job(number % FAN_OUT), state=State.RUNNING)
            await store.jobs.append(job, [an_event(job, number // FAN_OUT + 1)])

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return TRANSITIONS / (time.perf_counter() - begun)
