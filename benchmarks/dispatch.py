"""The whole path through one agent as it is installed: from the call that starts a job to the end being known here.

Beside it, in turn and in one run: the same TLS with a bare spawn behind it, and Salt where it can be installed. Ours also has the
journal, a supervisor that outlives the agent, stored output and a folder of the job.
"""

import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import installed, saltstack
from benchmarks.dispatch_floor import Asker
from benchmarks.installed import HUB, NAME, Running
from benchmarks.measure import Row
from controller.clock import SystemClock
from controller.model.ids import AttemptId, JobId
from controller.model.inventory import Agent, Carrier, Server
from controller.transport.agents.dialer import AgentDialer
from controller.transport.agents.papers import Papers
from controller.transport.agents.session import AgentSession
from controller.transport.port import AttemptSpec

ROUNDS = 5
CONCURRENCY = 32
MANY = 400
FEW = 60
OUTPUT = 100_000_000
GREETINGS, VISITORS = 100, 8
WORKERS = 64
DEBIAN = "/usr/bin/python3"
NUMBERS = itertools.count(1)
READER = ("true",)

One = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Seen:
    """What was seen of one way to run things, a number a round; `delays` are of all rounds."""

    rates: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def costs(self) -> str:
        there, here = statistics.median(self.theirs), statistics.median(self.ours)
        return f"CPU each {there * 1000:.2f} ms there, {here * 1000:.2f} here"

    @property
    def load(self) -> str:
        return f"load {statistics.median(self.loads):.0f}"


def main(*, rounds: int = ROUNDS) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="ctl-bench-") as made:
        folder = Path(made)
        installed.certify(folder / "ca")
        starts = [row for python in pythons() for row in starting(folder, python, rounds)]
        return [*asyncio.run(dispatching(folder, rounds)), *starts, *saltstack.rows(rounds)]


def pythons() -> dict[str, str]:
    """Name the interpreters that an agent is tried with."""
    found = {"this python": sys.executable}
    if Path(DEBIAN).exists():
        found["Debian's python3"] = DEBIAN
    return found


def starting(folder: Path, kind: str, rounds: int) -> list[Row]:
    """Start agents that do nothing."""
    python = pythons()[kind]
    took: list[float] = []
    cpu: list[float] = []
    seen: list[tuple[float, float, float]] = []
    for number in range(rounds + 1):
        place = folder / f"{Path(python).parent.name}-{kind[:4]}-{number}"
        with installed.agent(place, folder / "ca", python) as running:
            spent = running.cpu()
            time.sleep(0.5)
            memory = running.memory()
            if number:
                took.append(running.took)
                cpu.append(spent)
                seen.append((memory.resident, memory.shared, running.whole()))
    resident, shared, whole = (statistics.median(one) for one in zip(*seen, strict=True))
    now = f"load {os.getloadavg()[0]:.0f}"
    return [
        (
            f"{kind}: start until it listens",
            f"{statistics.median(took) * 1000:.0f} ms, CPU {statistics.median(cpu) * 1000:.0f} ms; {now}",
            "≤ 0.3 s",
        ),
        (
            f"{kind}: an idle agent",
            f"{resident:.1f} MiB resident, {shared:.1f} proportional; {whole:.1f} with nursery and supervisor",
            "≤ 25 MB resident",
        ),
    ]


async def dispatching(folder: Path, rounds: int) -> list[Row]:
    """Run jobs through one agent, and spawns through the floor, in turn."""
    pki = folder / "ca"
    words = (f"--workers={WORKERS}",)
    floor, ours, hands, greets = Seen(), Seen(), Seen(), Seen()
    stored: list[float] = []
    followed: list[float] = []
    with (
        installed.agent(folder / "main", pki, sys.executable, *words) as agent,
        installed.floor(folder, pki) as bare,
    ):
        async with reaching(pki, agent) as (dialer, server):
            session = await dialer.open(server)
            asker = await Asker.dial(pki, bare.port)
            for number in range(rounds + 1):  # the first one warms up
                kinds: tuple[tuple[Seen, One, Running], ...] = (
                    (floor, asker.ask, bare),
                    (ours, jobs(session), agent),
                )
                for seen, one, there in kinds:
                    await round_of(seen if number else Seen(), one, there)
                await discard(session)
                await greetings(hands if number else Seen(), lambda: shake(pki, bare.port), bare)
                await greetings(greets if number else Seen(), lambda: greet(dialer, server), agent)
            for _ in range(rounds):
                stored.append(await pour(session, follow=False))
                followed.append(await pour(session, follow=True))
                await discard(session)
            memory, peak = agent.memory(), agent.peak()
            asker.close()
            await session.close()
    share = ours.rate / floor.rate
    return [
        (
            f"frames and a bare spawn, {CONCURRENCY} at once",
            f"{floor.rate:.0f}/s, {floor.costs}; {floor.load}",
            "the floor",
        ),
        (
            f"jobs through one agent, {CONCURRENCY} at once",
            f"{ours.rate:.0f}/s = {share:.0%} of the floor, {ours.costs}; {ours.load}",
            "≥ 500/s, ≥ 60 %",
        ),
        (
            "frames and a bare spawn, one at a time",
            f"{spread(floor.delays)}; {floor.load}",
            "the floor",
        ),
        (
            "a job, one at a time: start until its end is known",
            f"{spread(ours.delays)}; {ours.load}",
            "p50 ≤ 5 ms, p99 ≤ 30 ms",
        ),
        (
            f"bare handshakes, {VISITORS} at once",
            f"{hands.rate:.0f}/s, {hands.costs}; {hands.load}",
            "the floor",
        ),
        (
            f"handshakes and greetings of an agent, {VISITORS} at once",
            f"{greets.rate:.0f}/s = {greets.rate / hands.rate:.0%} of the floor, {greets.costs}",
            "",
        ),
        (
            "output of one job, stored",
            f"{statistics.median(stored):.0f} MB/s",
            "≥ 60 MB/s",
        ),
        (
            "output of one job, stored and followed from here",
            f"{statistics.median(followed):.0f} MB/s",
            "",
        ),
        (
            "the agent after all that",
            f"{memory.resident:.1f} MiB resident, never more than {peak:.1f}",
            "bounded",
        ),
    ]


@asynccontextmanager
async def reaching(pki: Path, agent: Running) -> AsyncIterator[tuple[AgentDialer, Server]]:
    """Dial an agent, as a controller does."""
    dialer = AgentDialer(
        Papers(pki, HUB), clock=SystemClock(), instance=lambda: f"bench-{next(NUMBERS)}"
    )
    here = Agent(port=agent.port)
    try:
        yield (
            dialer,
            Server(name=NAME, address="127.0.0.1", carrier=Carrier.AGENT, agent=here),
        )
    finally:
        await dialer.close()


DONE: list[str] = []
"""Jobs of which something is still kept."""


def jobs(session: AgentSession) -> One:
    """Run a job of one step."""

    async def one(name: str) -> None:
        DONE.append(name)
        await session.start(true(name))
        end = await session.wait(AttemptId(name))
        if end.exit_code != 0:
            raise RuntimeError(f"a job failed: {end}")

    return one


def true(name: str) -> AttemptSpec:
    """Give a job that is read by `true`, which does not look at it: no shell is paid for that the floor does without."""
    return AttemptSpec(id=AttemptId(name), job=JobId(name), text=b"-\n", shell=READER, workdir="/")


async def discard(session: AgentSession) -> None:
    """Let the agent forget what was done."""
    for name in DONE:
        await session.discard((AttemptId(name),), job=JobId(name))
    DONE.clear()


async def round_of(seen: Seen, one: One, there: Running) -> None:
    """Run things one by one, then many at once."""
    for _ in range(FEW):
        began = time.perf_counter()
        await one(f"few-{next(NUMBERS)}")
        seen.delays.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    await many(seen, lambda: one(f"many-{next(NUMBERS)}"), there, MANY, CONCURRENCY)


async def greetings(seen: Seen, one: Callable[[], Awaitable[None]], there: Running) -> None:
    await many(seen, one, there, GREETINGS, VISITORS)


async def many(
    seen: Seen, one: Callable[[], Awaitable[None]], there: Running, number: int, most: int
) -> None:
    """Do something often, no more than `most` at a time."""
    gate = asyncio.Semaphore(most)

    async def through() -> None:
        async with gate:
            await one()

    served, own, began = there.cpu(), time.process_time(), time.perf_counter()
    await asyncio.gather(*(through() for _ in range(number)))
    seen.rates.append(number / (time.perf_counter() - began))
    seen.ours.append((time.process_time() - own) / number)
    seen.theirs.append((there.cpu() - served) / number)
    seen.loads.append(os.getloadavg()[0])


async def shake(pki: Path, port: int) -> None:
    """Connect and hang up."""
    (await Asker.dial(pki, port)).close()


async def greet(dialer: AgentDialer, server: Server) -> None:
    """Connect, greet, say goodbye."""
    await (await dialer.fresh(server)).close()


async def pour(session: AgentSession, *, follow: bool) -> float:
    """Have a job say much; give the MB a second that are kept, or that are followed from here."""
    name = f"pour-{next(NUMBERS)}"
    DONE.append(name)
    wish = AttemptSpec(
        id=AttemptId(name),
        job=JobId(name),
        text=b"exec head -c %d /dev/zero\n" % OUTPUT,
        workdir="/",
        head=OUTPUT,
    )
    began = time.perf_counter()
    await session.start(wish)
    if follow:
        came = 0
        async for chunk in session.output(AttemptId(name), follow=True):
            came += len(chunk.data)
        if came != OUTPUT:
            raise RuntimeError(f"{came} bytes came of {OUTPUT}")
    else:
        await session.wait(AttemptId(name))
    return OUTPUT / 1e6 / (time.perf_counter() - began)


def spread(spent: list[float]) -> str:
    cuts = statistics.quantiles(spent, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
