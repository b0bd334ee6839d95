"""A fleet in memory: a `Dialer` whose servers run attempts on a clock of the test, break, reboot and lie down.

It keeps the promises of the carrier port and counts every start, so tests can prove that nothing starts twice.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.clock import Clock
from controller.errors import (
    LockedError,
    NotFoundError,
    RefusedError,
    SessionLostError,
    TransportError,
    Unreachable,
)
from controller.model.ids import AttemptId, Digest, JobId
from controller.model.inventory import Server
from controller.model.observation import Holder
from controller.transport.needs_agent import NeedsAgent
from controller.transport.port import (
    AttemptSpec,
    AttemptStatus,
    Chunk,
    Ending,
    Facts,
    Offer,
    Phase,
    Pool,
    Probed,
    ProbeSpec,
    TargetClaim,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What an attempt does: output at the start, then work, then an end."""

    seconds: float = 0.0
    exit_code: int = 0
    output: bytes = b""
    lost: int = 0
    """Bytes at the end of its output for which there was no room."""
    outputs: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files it leaves; names without a leading slash are artifacts."""
    stubborn: bool = False
    """Whether it ignores TERM."""
    ending: Ending = Ending.EXIT
    message: str = ""
    waits: float = 0.0
    """Seconds before a worker is free for it."""
    echo: bool = False
    """Whether it ends when its input does, with what it was given as its output."""
    refused: str = ""
    """Why the server does not take it at all."""


Behaviour = Callable[[str, AttemptSpec], Program]
"""Says what a spec does on a server (by name)."""


def obey(_server: str, _spec: AttemptSpec) -> Program:
    """Succeed at once."""
    return Program()


@dataclass(slots=True)
class Run:
    """An attempt on a server."""

    spec: AttemptSpec
    program: Program
    boot_id: str
    began: datetime
    ends: datetime
    ending: Ending
    held: datetime | None = None
    """Since when it is held, and"""
    goes_on: datetime | None = None
    """when it goes on by itself."""
    fed: bytes = b""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is told to stop: whoever waits for its end looks again."""


@dataclass(slots=True)
class Machine:
    """One server of the fleet."""

    name: str
    boot: int = 1
    down: Unreachable | None = None
    runs: dict[AttemptId, Run] = field(default_factory=dict)
    markers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    locks: dict[tuple[str, str], Holder] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    sessions: "set[SimulatedSession]" = field(default_factory=set)
    workers: int = 1000
    folders: dict[JobId, dict[str, bytes]] = field(default_factory=dict)
    """Workspaces."""
    busiest: int = 0
    """Most attempts that ran at once."""

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot-{self.boot}"


class SimulatedFleet:
    """Servers come into being when they are first dialled.

    `disturb` is called with (server, what, before) around every use of a session: it may cut, reboot or lay down servers.
    """

    def __init__(self, clock: Clock, behaviour: Behaviour = obey) -> None:
        self.clock = clock
        self.behaviour = behaviour
        self.machines: dict[str, Machine] = {}
        self.starts: Counter[AttemptId] = Counter()
        self.root = True
        self.offers: frozenset[Offer] = frozenset()
        self.probes: Callable[[str, ProbeSpec], Probed] = lambda _s, _p: Probed(
            exit_code=0, output=b"up 3 days\n"
        )
        self.disturb: Callable[[str, str, bool], None] = lambda _server, _what, _before: None

    def machine(self, name: str) -> Machine:
        return self.machines.setdefault(name, Machine(name=name))

    def cut(self, name: str) -> None:
        """Break every session; work goes on."""
        machine = self.machine(name)
        for session in list(machine.sessions):
            session.broken.set()
        machine.sessions.clear()

    def reboot(self, name: str) -> None:
        """Lose power and come back: what ran is gone."""
        self.machine(name).boot += 1
        self.cut(name)

    def lay_down(self, name: str, cause: Unreachable = Unreachable.TCP) -> None:
        """Be unreachable until `stand_up`; work goes on."""
        self.machine(name).down = cause
        self.cut(name)

    def stand_up(self, name: str) -> None:
        self.machine(name).down = None

    async def open(self, server: Server) -> "SimulatedSession":
        machine = self.machine(server.name)
        self.disturb(server.name, "open", True)
        await asyncio.sleep(0)
        if machine.down is not None:
            raise TransportError(f"cannot reach {server.name}", cause=machine.down)
        session = SimulatedSession(self, machine)
        machine.sessions.add(session)
        return session

    async def fresh(self, server: Server) -> "SimulatedSession":
        return await self.open(server)

    async def close(self) -> None:
        for name in self.machines:
            self.cut(name)


class SimulatedSession(NeedsAgent):
    """One open use of a machine."""

    def __init__(self, fleet: SimulatedFleet, machine: Machine) -> None:
        self._fleet = fleet
        self._machine = machine
        self._boot_id = machine.boot_id
        self.broken = asyncio.Event()

    @property
    def facts(self) -> Facts:
        login = "root" if self._fleet.root else "deploy"
        return Facts(
            boot_id=self._boot_id,
            login=login,
            root=self._fleet.root,
            base="/var/lib/ctl",
            offers=self._fleet.offers,
        )

    async def close(self) -> None:
        self._machine.sessions.discard(self)

    async def _arrive(self, what: str) -> None:
        """Travel there: the session may break on the way, before anything has its effect."""
        self._fleet.disturb(self._machine.name, what, True)
        await asyncio.sleep(0)
        self._check()

    async def _return(self, what: str) -> None:
        """Travel back: the session may break after everything had its effect."""
        self._fleet.disturb(self._machine.name, what, False)
        await asyncio.sleep(0)
        self._check()

    def _check(self) -> None:
        if self.broken.is_set():
            raise SessionLostError(
                f"the session to {self._machine.name} broke", cause=Unreachable.LOST
            )

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        await self._arrive("start")
        fresh = spec.id not in self._machine.runs
        if fresh:
            self._begin(spec)
        await self._return("start")
        return replace(self._status(spec.id), fresh=fresh)

    def _begin(self, spec: AttemptSpec) -> None:
        program = self._fleet.behaviour(self._machine.name, spec)
        if program.refused:
            raise RefusedError(program.refused)
        now = self._fleet.clock.now()
        late = program.seconds > spec.timeout
        self._machine.runs[spec.id] = Run(
            spec=spec,
            program=program,
            boot_id=self._machine.boot_id,
            began=now + timedelta(seconds=program.waits),
            ends=now + timedelta(seconds=program.waits + min(program.seconds, spec.timeout)),
            ending=Ending.TIMEOUT if late else program.ending,
        )
        self._fleet.starts[spec.id] += 1
        for name, content in program.files.items():
            path = name if name.startswith("/") else f"artifacts:{spec.job}/{name}"
            self._machine.files[path] = content
        at_once = sum(self._phase(run) is Phase.RUNNING for run in self._machine.runs.values())
        self._machine.busiest = max(self._machine.busiest, at_once)

    def _thaw(self, run: Run) -> None:
        """Let go on what was held for a time that is over, or for as long as somebody wished."""
        now = self._fleet.clock.now()
        if run.held is not None and run.goes_on is not None and run.goes_on <= now:
            run.ends += run.goes_on - run.held
            run.held = run.goes_on = None

    def _phase(self, run: Run) -> Phase:
        self._thaw(run)
        if run.held is not None:
            held = run.boot_id == self._machine.boot_id
            return Phase.RUNNING if held else Phase.INTERRUPTED
        if run.ends <= self._fleet.clock.now():
            return Phase.ENDED
        return Phase.RUNNING if run.boot_id == self._machine.boot_id else Phase.INTERRUPTED

    def _status(self, attempt: AttemptId) -> AttemptStatus:
        run = self._machine.runs.get(attempt)
        if run is None:
            return AttemptStatus(id=attempt, phase=Phase.NONE)
        phase = self._phase(run)
        output = run.program.output
        if phase is not Phase.ENDED:
            paused = run.held is not None and phase is Phase.RUNNING
            waiting = run.began > self._fleet.clock.now() and phase is Phase.RUNNING
            return AttemptStatus(
                id=attempt, phase=phase, length=len(output), paused=paused, waiting=waiting
            )
        return AttemptStatus(
            id=attempt,
            phase=phase,
            ending=run.ending,
            exit_code={Ending.EXIT: run.program.exit_code, Ending.TIMEOUT: 124}.get(
                run.ending, 143
            ),
            message=run.program.message,
            length=len(output),
            sha256=Digest(hashlib.sha256(output).hexdigest()),
            outputs=run.program.outputs if run.ending is Ending.EXIT else b"",
        )

    async def status(self, attempt: AttemptId) -> AttemptStatus:
        await self._arrive("status")
        await self._return("status")
        return self._status(attempt)

    async def wait(self, attempt: AttemptId) -> AttemptStatus:
        await self._arrive("wait")
        await self._until_ended(attempt)
        await self._return("wait")
        return self._status(attempt)

    async def _until_ended(self, attempt: AttemptId) -> None:
        """Wait until an attempt is over, or the session breaks."""
        while self._status(attempt).phase is Phase.RUNNING:
            self._check()
            run = self._machine.runs[attempt]
            left = (run.ends - self._fleet.clock.now()).total_seconds()
            left = max(left, 1.0) if run.held is not None else left
            waits = [
                asyncio.ensure_future(self._fleet.clock.sleep(min(left, 1.0 + left / 4))),
                asyncio.ensure_future(self.broken.wait()),
            ]
            if not run.told.is_set():
                waits.append(asyncio.ensure_future(run.told.wait()))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()
        self._check()

    async def output(
        self, attempt: AttemptId, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        await self._arrive("output")
        run = self._machine.runs.get(attempt)
        if run is None:
            return
        content, head, tail = run.program.output, run.spec.head, run.spec.tail
        resumes = len(content) - tail if len(content) > head + tail else 0
        position = offset
        while position < len(content):
            gap = 0
            if resumes and head <= position < resumes:
                gap, position = resumes - position, resumes
            end = min(position + 65536, head if position < head and resumes else len(content))
            yield Chunk(offset=position, data=content[position:end], gap=gap)
            position = end
            await self._return("output")
        if run.program.lost and position < len(content) + run.program.lost:
            at = len(content) + run.program.lost
            yield Chunk(offset=at, data=b"", gap=at - position)
        while follow and run.program.echo and self._phase(run) is Phase.RUNNING:
            await self._fleet.clock.sleep(0.1)
            self._check()
            if position < len(run.program.output):
                yield Chunk(offset=position, data=run.program.output[position:])
                position = len(run.program.output)
        if follow:
            await self._until_ended(attempt)

    async def stop(self, attempt: AttemptId, *, grace: float = 10.0) -> AttemptStatus:
        await self._arrive("stop")
        run = self._machine.runs.get(attempt)
        if run is not None and self._phase(run) is Phase.RUNNING:
            run.held = run.goes_on = None
            after = grace if run.program.stubborn else 0.0
            run.ends = self._fleet.clock.now() + timedelta(seconds=after)
            run.ending = Ending.STOP
            run.told.set()
            await self._until_ended(attempt)
        await self._return("stop")
        return self._status(attempt)

    async def pause(self, attempt: AttemptId, *, seconds: float = 0.0) -> AttemptStatus:
        if Offer.PAUSE not in self._fleet.offers:
            return await super().pause(attempt, seconds=seconds)
        await self._arrive("pause")
        run = self._running(attempt, Offer.PAUSE)
        now = self._fleet.clock.now()
        if run.began > now:
            raise RefusedError(f"cannot pause {attempt}: it has not begun")
        run.held = run.held or now
        run.goes_on = now + timedelta(seconds=seconds) if seconds else None
        await self._return("pause")
        return self._status(attempt)

    async def resume(self, attempt: AttemptId) -> AttemptStatus:
        if Offer.PAUSE not in self._fleet.offers:
            return await super().resume(attempt)
        await self._arrive("resume")
        run = self._running(attempt, Offer.PAUSE)
        run.goes_on = self._fleet.clock.now()
        self._thaw(run)
        await self._return("resume")
        return self._status(attempt)

    async def feed(self, attempt: AttemptId, data: bytes, *, close: bool = False) -> None:
        if Offer.INPUT not in self._fleet.offers:
            await super().feed(attempt, data, close=close)
        await self._arrive("feed")
        run = self._running(attempt, Offer.INPUT)
        if not run.spec.interactive:
            raise RefusedError(f"cannot feed {attempt}: it takes no input")
        run.fed += data
        if run.program.echo:
            run.program = replace(run.program, output=run.program.output + data)
            run.ends = self._fleet.clock.now() if close else run.ends
        await self._return("feed")

    def _running(self, attempt: AttemptId, offer: Offer) -> Run:
        """Find what runs."""
        run = self._machine.runs.get(attempt)
        if run is None or self._phase(run) is not Phase.RUNNING:
            raise RefusedError(f"cannot {offer} {attempt}: it does not run")
        return run

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        if Offer.WORKSPACE not in self._fleet.offers:
            return await super().workspace(job)
        await self._arrive("workspace")
        if job not in self._machine.folders:
            raise NotFoundError(f"cannot find the workspace of job {job}")
        return {path: len(data) for path, data in self._machine.folders[job].items()}

    async def put(
        self, job: JobId, path: str, data: AsyncIterator[bytes], *, executable: bool = False
    ) -> None:
        if Offer.WORKSPACE not in self._fleet.offers:
            await super().put(job, path, data, executable=executable)
        await self._arrive("put")
        self._machine.folders.setdefault(job, {})[path] = b"".join([part async for part in data])

    async def remove(self, job: JobId, path: str) -> None:
        if Offer.WORKSPACE not in self._fleet.offers:
            await super().remove(job, path)
        await self._arrive("remove")
        if self._machine.folders.get(job, {}).pop(path, None) is None:
            raise NotFoundError(f"cannot find {path} in the workspace of job {job}")

    async def pool(self) -> Pool:
        if Offer.POOL not in self._fleet.offers:
            return await super().pool()
        await self._arrive("pool")
        runs = self._machine.runs.values()
        running = sum(self._phase(run) is Phase.RUNNING for run in runs)
        return Pool(workers=self._machine.workers, running=running, waiting=0)

    async def set_pool(self, workers: int) -> Pool:
        if Offer.POOL not in self._fleet.offers:
            return await super().set_pool(workers)
        self._machine.workers = workers
        return await self.pool()

    def _content(self, path: str) -> bytes | None:
        kind, _, rest = path.partition(":")
        job, _, name = rest.partition("/")
        if kind == "workspace":
            return self._machine.folders.get(JobId(job), {}).get(name)
        return self._machine.files.get(path)

    async def discard(self, attempts: tuple[AttemptId, ...], *, job: JobId | None = None) -> None:
        await self._arrive("discard")
        for attempt in attempts:
            run = self._machine.runs.get(attempt)
            if run is not None:
                run.program = replace(run.program, output=b"", outputs=b"")
        for path in [p for p in self._machine.files if job and p.startswith(f"artifacts:{job}/")]:
            del self._machine.files[path]
        await self._return("discard")

    async def markers(self, project: str) -> Mapping[str, bytes]:
        await self._arrive("markers")
        return {t: m for (p, t), m in self._machine.markers.items() if p == project}

    async def locks(self, project: str) -> Mapping[str, Holder]:
        await self._arrive("locks")
        return {
            target: holder
            for (p, target), holder in self._machine.locks.items()
            if p == project and holder.boot_id == self._machine.boot_id
        }

    async def claim_target(
        self, project: str, target: str, *, holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        await self._arrive("claim_target")
        answer = self._claim((project, target), holder, expect, marker)
        await self._return("claim_target")
        return answer

    def _claim(
        self, key: tuple[str, str], holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        machine = self._machine
        held = machine.locks.get(key)
        took_over = None
        if held is not None and held.run != holder.run:
            if held.boot_id == machine.boot_id:
                return TargetClaim(taken=False, holder=held)
            took_over = held
        present = machine.markers.get(key)
        seen = None if present is None else Digest(hashlib.sha256(present).hexdigest())
        mine = held is not None and held.run == holder.run
        if not mine and seen != expect:
            return TargetClaim(taken=False, stale=present or b"")
        machine.locks[key] = holder
        machine.markers[key] = marker
        return TargetClaim(taken=True, took_over=took_over)

    async def release_target(
        self, project: str, target: str, *, run: str, marker: bytes | None
    ) -> None:
        await self._arrive("release_target")
        held = self._machine.locks.get((project, target))
        if held is not None and held.run == run:
            if marker is None:
                self._machine.markers.pop((project, target), None)
            else:
                self._machine.markers[project, target] = marker
            del self._machine.locks[project, target]
        elif self._machine.markers.get((project, target)) != marker:
            raise LockedError(
                f"cannot write the marker of {target}: run {run} does not hold its lock"
            )
        await self._return("release_target")

    async def forget_target(self, project: str, target: str, *, expect: Digest) -> bool:
        await self._arrive("forget_target")
        present = self._machine.markers.get((project, target))
        gone = (
            (project, target) not in self._machine.locks
            and present is not None
            and hashlib.sha256(present).hexdigest() == expect
        )
        if gone:
            del self._machine.markers[project, target]
        await self._return("forget_target")
        return gone

    async def probe(self, spec: ProbeSpec) -> Probed:
        await self._arrive("probe")
        return self._fleet.probes(self._machine.name, spec)

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        await self._arrive("artifacts")
        prefix = f"artifacts:{job}/"
        return {
            path.removeprefix(prefix): len(content)
            for path, content in self._machine.files.items()
            if path.startswith(prefix)
        }

    async def size(self, path: str) -> int | None:
        await self._arrive("size")
        content = self._content(path)
        return None if content is None else len(content)

    async def fetch(self, path: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        await self._arrive("fetch")
        content = self._content(path) or b""
        for begin in range(offset, len(content), 65536):
            yield content[begin : begin + 65536]
            await self._return("fetch")
