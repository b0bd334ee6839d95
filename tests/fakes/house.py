"""A whole controller on a simulated fleet: declarations, git, plans, gates and the engine are real, only the servers are played.

A second house may stand beside the first: another state, the same fleet.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from controller.clock import Clock
from controller.journal.line import Line
from controller.model.applied import Applied
from controller.model.declaration import Declaration
from controller.model.ids import RunId
from controller.model.job import Job, Run
from controller.model.plan import Plan
from controller.reconcile.controller import LocalController
from controller.reconcile.exchange.reports import ApplyOutcome, RunReport
from controller.reconcile.exchange.requests import ApplyRequest, PlanRequest
from controller.reconcile.rooms import Reach, Rooms
from controller.service.options import Options
from controller.service.works import Works
from controller.settings import resolve
from controller.source.config import ConfigRepo
from controller.store.folder import prepare
from controller.store.lock import Saver, StateLock, take
from controller.store.memory import MemoryStore
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program, SimulatedFleet
from tests.fakes.jumping_clock import JumpingClock
from tests.fakes.repositories import Repository

ACTOR = "tester@laptop"


@dataclass(slots=True)
class Town:
    """The servers, what they have been told to do, and what they did.

    `bad` are the servers on which every command fails. `worked` are the (target, server) that began, in order; `opened` the servers
    that were dialled.
    """

    clock: Clock = field(default_factory=JumpingClock)
    bad: set[str] = field(default_factory=set)
    worked: list[tuple[str, str]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    fleet: SimulatedFleet = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = SimulatedFleet(self.clock, self._behave)
        self.fleet.disturb = self._note

    def _behave(self, server: str, spec: AttemptSpec) -> Program:
        self.worked.append((spec.env["CTL_TARGET"], server))
        return Program(seconds=1.0, exit_code=int(server in self.bad))

    def _note(self, server: str, what: str, before: bool) -> None:
        if what == "open" and before:
            self.opened.append(server)

    def jump(self, to: datetime) -> None:
        """Have another time; only where it is played."""
        assert isinstance(self.clock, JumpingClock)
        self.clock.set(to)

    def markers(self, server: str) -> set[str]:
        return {target for _, target in self.fleet.machine(server).markers}


class PlayedWorks(Works):
    """Builds the rooms of a controller, with the servers of a town."""

    town: Town

    def reach(self, declaration: Declaration, known_hosts: bytes) -> Reach:
        return replace(super().reach(declaration, known_hosts), dialer=self.town.fleet)


@dataclass(slots=True, kw_only=True)
class House:
    """One controller with its config repository and its state, and short ways to ask it for something."""

    town: Town
    config: Repository
    rooms: Rooms
    controller: LocalController

    def declare(self, text: str, servers: int | str = 0) -> None:
        """Commit pipelines, and an inventory: so many servers `web-1`, ..., or a whole text; 0 leaves it."""
        files = {"ctl.yaml": "", ".gitignore": ".ctl/\n", "pipelines/main.yaml": text}
        if servers:
            told = (
                servers if isinstance(servers, str) else f"servers: {{'web-[1:{servers}]': {{}}}}\n"
            )
            files["inventory/servers.yaml"] = told
        self.config.commit(files)

    async def plan(self, **asked: object) -> Plan:
        return await self.controller.plan(PlanRequest(**asked))  # type: ignore[arg-type]

    async def apply(self, **asked: object) -> ApplyOutcome:
        return await self.controller.apply(
            ApplyRequest(confirm=lambda _: True, **asked)  # type: ignore[arg-type]
        )

    async def run_of(self, report: RunReport) -> Run:
        """Give the run as it is recorded."""
        assert report.run is not None
        run = await self.rooms.store.runs.get(report.run.id)
        assert run is not None
        return run

    async def halted(self, **asked: object) -> RunId:
        """Apply what ends halted; give the run."""
        report = (await self.apply(**asked)).report
        assert report.halted
        assert report.run is not None
        return report.run.id

    async def resume(self, run: str, **asked: object) -> list[tuple[str, str]]:
        """Go on with a run; give what that began, in order."""
        before = len(self.town.worked)
        await self.apply(resume=run, **asked)
        return self.town.worked[before:]

    async def jobs(self, run: RunId | None = None) -> tuple[Job, ...]:
        return await self.rooms.store.jobs.list(run=run, limit=1000)

    async def records(self) -> Mapping[tuple[str, str], Applied]:
        return await self.rooms.store.records.all()

    def told(self) -> list[Line]:
        """The last lines of the activity log."""
        return list(self.rooms.activity.tail(100))

    def events(self) -> list[str]:
        return [line.event for line in self.told()]


@asynccontextmanager
async def house(
    folder: Path, town: Town | None = None, *, parallel: int = 50
) -> AsyncIterator[House]:
    """Build a house in a folder, which must not be there yet."""
    town = town or Town()
    config = Repository(folder / "config")
    config.commit({"ctl.yaml": "", ".gitignore": ".ctl/\n"})
    state = prepare(folder / "state")
    variables = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    options = Options(
        actor=ACTOR, write=True, variables=variables, clock=town.clock, parallel=parallel
    )
    lock = StateLock(state, clock=town.clock)
    async with AsyncExitStack() as stack:
        stack.enter_context(await take(lock, ACTOR, town.clock))
        store = MemoryStore(town.clock)
        works = PlayedWorks(options, resolve(variables, flags={}), store, state, stack)
        works.town = town
        saver = Saver(lock, ACTOR, mine=True)
        rooms = works.rooms(ConfigRepo(config.path), saver.saving)
        yield House(town=town, config=config, rooms=rooms, controller=LocalController(rooms))
