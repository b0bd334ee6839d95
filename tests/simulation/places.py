"""What a simulated controller has around it instead of disks, git and networks."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from controller.clock import Clock
from controller.errors import LockedError, NotFoundError, RefusedError, SourceError
from controller.model.declaration import Repo
from controller.model.ids import AttemptId, Digest, JobId, Sha
from controller.model.inventory import Server
from controller.model.job import Job
from controller.model.observation import Holder
from controller.model.revision import Revision
from controller.model.tree import Entry
from controller.source.access import Credentials
from controller.source.mirrors import Mirrors
from controller.source.tracked import Found
from controller.source.visit import Look
from controller.store.memory import MemoryJobs, MemoryRuns, MemoryStore
from controller.store.memory_cleaning import MemoryCleaning
from controller.transport.port import AttemptSpec, AttemptStatus, TargetClaim
from tests.fakes.fleet import Behaviour, SimulatedFleet, SimulatedSession
from tests.fakes.trees import MemoryTree
from tests.simulation.quiet import ForeignClock, QuietClock

T = TypeVar("T")
DATED = datetime(2026, 1, 1, tzinfo=UTC)


def revision(number: int, parent: int | None) -> Revision:
    """Make a commit."""
    return Revision(
        sha=Sha(f"{number:040x}"),
        branch="main",
        author="Author",
        email="author@example.com",
        subject=f"change {number}",
        message=f"change {number}",
        committed_at=DATED,
        parents=() if parent is None else (Sha(f"{parent:040x}"),),
    )


@dataclass(slots=True)
class Origin:
    """A remote repository: commits in order, and whether it answers."""

    commits: list[Revision] = field(default_factory=list)
    trees: dict[Sha, MemoryTree] = field(default_factory=dict)
    away: bool = False

    @property
    def head(self) -> Revision:
        """The newest commit."""
        return self.commits[-1]

    def commit(self, files: dict[str, str] | None = None) -> Revision:
        """Add a commit."""
        number = len(self.commits)
        made = revision(number + 1, number or None)
        self.commits.append(made)
        if files is not None:
            self.trees[made.sha] = MemoryTree(files)
        return made

    def find(self, sha: Sha) -> Revision:
        """Find a commit."""
        number = int(sha, 16)
        if not 0 < number <= len(self.commits):
            raise NotFoundError(f"cannot find commit {sha}")
        return self.commits[number - 1]

    def ask(self) -> Revision:
        """Answer over the network, or do not."""
        if self.away:
            raise SourceError("the remote does not answer")
        return self.head


class SimMirrors(Mirrors):
    """Mirrors that lie in memory, and are as durable as those on a disk."""

    def __init__(self, folder: Path, origin: Origin, fetched: set[Sha]) -> None:
        super().__init__(folder)
        self._origin = origin
        self._fetched = fetched

    async def look(
        self,
        repo: Repo,
        credentials: Credentials,
        *,
        accepted: Sha | None,
        signers: bytes | None,
    ) -> Look:
        found = self._origin.ask()
        fresh = found.sha not in self._fetched
        self._fetched.add(found.sha)
        return Look(revision=found, fetched=fresh)

    async def revision(self, repo: Repo, sha: Sha) -> Revision:
        if sha not in self._fetched:
            raise NotFoundError(f"cannot find commit {sha}")
        return self._origin.find(sha)

    async def watched(self, repo: Repo, sha: Sha, paths: Iterable[str]) -> tuple[Entry, ...] | None:
        return None

    async def descends(self, repo: Repo, old: Sha, new: Sha) -> bool:
        return int(old, 16) <= int(new, 16)


class SimConfig:
    """A config repository that is followed; what is in force outlives the controller."""

    def __init__(self, origin: Origin, in_force: list[Sha]) -> None:
        self._origin = origin
        self._in_force = in_force
        self.root = Path("/config")
        self.in_git = True

    def head(self) -> Revision | None:
        return self._origin.find(self._in_force[-1]) if self._in_force else None

    def revision(self, sha: Sha) -> Revision:
        return self._origin.find(sha)

    def resolve(self, rev: str) -> Sha:
        return self._origin.find(Sha(rev)).sha

    def as_of(self, moment: datetime) -> Sha:
        return self._origin.head.sha

    def dirty(self) -> tuple[str, ...]:
        return ()

    def tree(self, sha: Sha) -> MemoryTree:
        return self._origin.trees[sha]

    def work_tree(self) -> MemoryTree:
        return self._origin.trees[self._origin.head.sha]

    def blame(self, places: object, sha: Sha | None) -> dict[object, object]:
        return {}

    def last_mentions(self, names: object, sha: Sha) -> dict[str, object]:
        return {}

    async def look(self, *, accept_rewind: bool = False) -> Found:
        found = self._origin.ask()
        return Found(revision=found, news=self._in_force[-1:] != [found.sha])

    async def accept(self, sha: Sha) -> None:
        self._in_force.append(sha)

    async def begin_at(self, sha: Sha) -> None:
        """Nothing of what was accepted is ever lost here."""
        if sha not in self._in_force:
            self._in_force.append(sha)


@dataclass(slots=True, kw_only=True)
class Weather:
    """How bad the network is: chances of a break on the way there and back, and the longest way in seconds.

    `twice` is the chance that what changes something arrives twice, and only the second answer comes back.
    """

    there: float = 0.0
    back: float = 0.0
    slow: float = 0.0
    twice: float = 0.0


class SimFleet(SimulatedFleet):
    """Servers behind a network that breaks before or after an effect, and delivers in any order."""

    def __init__(self, clock: QuietClock, behaviour: Behaviour, rng: Random) -> None:
        super().__init__(ForeignClock(clock), behaviour)
        self.weather = Weather()
        self.rng = rng
        self.breaks = 0
        self.doubled = 0

    async def deliver(self, act: Callable[[], Awaitable[T]]) -> T:
        """Have a request arrive, sometimes twice; what is said of the first time is lost."""
        if self.weather.twice and self.rng.random() < self.weather.twice:
            self.doubled += 1
            with suppress(LockedError, RefusedError):
                await act()
        return await act()

    async def travel(self, name: str, chance: float) -> None:
        """Take a while, and break sometimes."""
        if self.weather.slow:
            await self.clock.sleep(self.rng.random() * self.weather.slow)
        if chance and self.rng.random() < chance:
            self.breaks += 1
            self.cut(name)


class SimDialer:
    """The way of one life of a controller to all servers."""

    def __init__(self, fleet: SimFleet, life: "Lifeline") -> None:
        self._fleet = fleet
        self._life = life

    async def open(self, server: Server) -> "SimSession":
        if self._life.over:
            raise asyncio.CancelledError
        await self._fleet.open(server)
        machine = self._fleet.machine(server.name)
        session = SimSession(self._fleet, machine)
        session.life = self._life
        machine.sessions.add(session)
        return session

    async def fresh(self, server: Server) -> "SimSession":
        return await self.open(server)

    async def close(self) -> None:
        """Sessions break when the world says so."""


class SimSession(SimulatedSession):
    """One use of a machine over a bad network, by one life of a controller."""

    _fleet: SimFleet  # type: ignore[mutable-override]  # it is made by one
    life: "Lifeline"

    def _check(self) -> None:
        if self.life.over:
            raise asyncio.CancelledError
        super()._check()

    async def start(self, spec: AttemptSpec) -> AttemptStatus:
        return await self._fleet.deliver(partial(super().start, spec))

    async def stop(self, attempt: AttemptId, *, grace: float = 10.0) -> AttemptStatus:
        return await self._fleet.deliver(partial(super().stop, attempt, grace=grace))

    async def claim_target(
        self, project: str, target: str, *, holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        claim = partial(super().claim_target, project, target)
        return await self._fleet.deliver(
            partial(claim, holder=holder, expect=expect, marker=marker)
        )

    async def release_target(
        self, project: str, target: str, *, run: str, marker: bytes | None
    ) -> None:
        release = partial(super().release_target, project, target)
        await self._fleet.deliver(partial(release, run=run, marker=marker))

    async def forget_target(self, project: str, target: str, *, expect: Digest) -> bool:
        forget = partial(super().forget_target, project, target)
        return await self._fleet.deliver(partial(forget, expect=expect))

    async def _arrive(self, what: str) -> None:
        await self._fleet.travel(self._machine.name, self._fleet.weather.there)
        await super()._arrive(what)

    async def _return(self, what: str) -> None:
        await self._fleet.travel(self._machine.name, self._fleet.weather.back)
        await super()._return(what)


class Lifeline:
    """One life of a controller: once it is over, nothing it still does has any effect.

    It may be made to end at its n-th write, before or after that is durable.
    """

    def __init__(self) -> None:
        self.over = False
        self.writes = 0
        self._at: int | None = None
        self._after = False

    def end_at(self, more: int, *, after: bool) -> None:
        """Die at so many writes from now."""
        self._at, self._after = self.writes + more, after

    def before(self) -> bool:
        """Count a write; say whether it happens."""
        if self.over:
            return False
        self.writes += 1
        if self.writes == self._at:
            self.over = True
            return self._after
        return True


WRITES: Final = frozenset(
    {
        "add", "append", "archive", "beat", "change", "claim", "complete", "drop", "drop_dues", "drop_history",
        "drop_letters", "drop_runs", "finish", "forget", "post", "put", "put_repo", "put_servers", "request_stop",
        "reserve", "swap", "used", "wish",
    }
)  # fmt: skip
"""What of a shelf changes something for good."""


class QuickJobs(MemoryJobs):
    """Jobs that are read again only when they have changed."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[JobId, tuple[str, object, Job]] = {}

    def _one(self, job: JobId) -> Job:
        if job not in self._jobs:
            return super()._one(job)
        data, beside = self._jobs[job], self._beside[job]
        known = self._read.get(job)
        if known is None or known[0] is not data or known[1] is not beside:
            known = self._read[job] = (data, beside, super()._one(job))
        return known[2]


class QuickStore(MemoryStore):
    """A store in memory for many jobs."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.jobs = QuickJobs()
        self.runs = MemoryRuns(self.jobs)
        self.cleaning = MemoryCleaning(
            self.runs,
            history=(self.records.drop_past, self.observations.drop_past),
            letters=self.outbox.drop,
            dues=self.dues.drop,
        )


class Shelf:
    """A shelf of a store, as one life of a controller uses it."""

    def __init__(self, shelf: object, life: Lifeline) -> None:
        self._shelf = shelf
        self._life = life

    def __getattr__(self, name: str) -> Callable[..., Coroutine[object, object, object]]:
        work = getattr(self._shelf, name)
        writes, life = name in WRITES, self._life

        async def do(*given: object, **named: object) -> object:
            if writes and not life.before():
                raise asyncio.CancelledError
            done = None if life.over and not writes else await work(*given, **named)
            if life.over:
                raise asyncio.CancelledError
            return done

        return do


class MortalStore:
    """The store of a land, as one life of a controller uses it."""

    def __init__(self, store: MemoryStore, life: Lifeline) -> None:
        self._store = store
        self._life = life

    def __getattr__(self, name: str) -> Shelf:
        return Shelf(getattr(self._store, name), self._life)

    async def close(self) -> None:
        """Nothing is to be closed."""


class MortalLog:
    """A log; what a dead controller tells is not written."""

    def __init__(self, lines: list[tuple[str, dict[str, object]]], life: Lifeline) -> None:
        self._lines = lines
        self._life = life

    async def append(self, event: str, actor: str, **fields: object) -> None:
        if self._life.over:
            raise asyncio.CancelledError
        self._lines.append((event, {"actor": actor, **fields}))

    async def conclude(self, event: str, actor: str, **fields: object) -> None:
        await self.append(event, actor, **fields)

    def tail(self, count: int = 10) -> tuple[()]:
        return ()
