"""A serving controller for tests: a real config repository and state, the real engine of the loop, and no loop around it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import httpx

from controller.api.app import build
from controller.api.server import Server, serve
from controller.api.settings import ApiSettings, Listen
from controller.clock import Clock
from controller.jobs.engine import Engine
from controller.model.ids import RunId
from controller.model.token import Actor, Role, Scope
from controller.reconcile.access.tokens import TokenDesk
from controller.reconcile.loop.counts import Counts
from controller.reconcile.loop.generation import Generation, Invalid
from controller.reconcile.loop.keys import Key
from controller.reconcile.loop.live import Live
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import LOOK, walk
from controller.service.local import open as open_service
from controller.service.options import Options
from controller.store.ports import Store
from controller.workqueue.memory import MemoryQueue
from tests.e2e.fleet import Fleet

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Given so that no authorities are loaded, which takes longer than most tests."""
HOOK = "of the hook"
DECLARED = """\
repos:
  shop: {url: "https://git.example.com/shop.git", webhook: hook-secret}
groups: {web: {}}
tasks:
  hello: {run: "echo hello; echo secret-output"}
  slow: {run: "echo begun; sleep 30"}
  greet: {params: {name: {type: string, default: world}}, env: {CANARY_ENV: canary-env}, run: 'echo "hello $CTL_PARAM_NAME"'}
targets:
  shop: {servers: here, task: hello}
  blog: {servers: here, task: greet}
secrets:
  hook-secret: {env: HOOK_SECRET}
access:
  limited: {role: operator, targets: "shop*"}
  maker: {role: operator, rights: [adhoc]}
  consenter: {role: viewer, rights: [approve]}
"""


@dataclass(slots=True, kw_only=True)
class Small:
    """The smallest thing that serves."""

    base: Rooms
    live: Live
    generation: Generation | None
    invalid: Invalid | None = None
    secrets: dict[str, bytes] = field(default_factory=dict)
    pokes: list[tuple[str, float]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    woken: int = 0
    started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.started_at = self.base.clock.now()

    @property
    def store(self) -> Store:
        return self.base.store

    @property
    def clock(self) -> Clock:
        return self.base.clock

    @property
    def state(self) -> str:
        return "the state"

    @property
    def version(self) -> str:
        return "1.2.3"

    def rooms(self, actor: Actor) -> Rooms:
        return replace(self.base, actor=actor.name, engine=self.live.handle, proved=True)

    async def hook_secret(self, repo: str) -> bytes | None:
        return self.secrets.get(repo)

    async def poke(self, key: Key, *, why: str, after: float = 0.0) -> None:
        self.pokes.append((str(key), after))

    def wake(self) -> None:
        self.woken += 1

    async def wait_news(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


class Runs(MemoryQueue):
    """A real queue, and somebody who drives the runs in it, as the loop would."""

    live: Live

    async def drive(self) -> None:
        while True:
            claim = await self.take()
            kind, _, name = claim.key.partition("/")
            if kind == "run":
                await self.live.drive(RunId(name))
            await self.done(claim)


@dataclass(slots=True, kw_only=True)
class House:
    """A controller that listens, and those who may ask it."""

    small: Small
    server: Server
    fleet: Fleet
    client: httpx.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        host, port = self.server.address
        return f"http://{host}:{port}"

    @property
    def desk(self) -> TokenDesk:
        return TokenDesk(self.small.store.tokens, self.small.base.activity, self.small.clock)

    async def token(self, name: str, role: Role = Role.VIEWER, **scope: str) -> str:
        """Make a token, once for each name."""
        if name not in self.tokens:
            made = await self.desk.create(name=name, role=role, scope=Scope(**scope), by="tests")
            self.tokens[name] = made.text
        return self.tokens[name]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: object = None,
        headers: dict[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> httpx.Response:
        """Send one request."""
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        return await self.client.request(method, path, json=json, headers=sent, content=content)


@contextlib.asynccontextmanager
async def house(
    fleet: Fleet, settings: ApiSettings | None = None, *, declared: str = DECLARED
) -> AsyncIterator[House]:
    """Open a controller on the loopback."""
    fleet.declare(declared)
    fleet.variables["HOOK_SECRET"] = HOOK
    wanted = settings or ApiSettings()
    async with open_service(
        Options(directory=fleet.config.path, actor="tests", write=True, variables=fleet.environment)
    ) as controller:
        base = controller._rooms
        seen = await walk(base, Seen(), LOOK)
        assert seen.revision is not None
        runs = Runs(base.clock)

        live = Live(lambda: made_engine(base, seen), store=base.store, queue=runs, clock=base.clock)
        runs.live = live
        generation = Generation(seen=seen, revision=seen.revision, at=base.clock.now())
        small = Small(base=base, live=live, generation=generation)
        server = serve(build(small, wanted), Listen(port=0), None, wanted)
        server.bind()
        task, driving = asyncio.create_task(server.run()), asyncio.create_task(runs.drive())
        host, port = server.address
        client = httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=20, verify=NO_TLS)
        try:
            async with client:
                made = House(small=small, server=server, fleet=fleet, client=client)
                await until(lambda: reachable(made))
                yield made
        finally:
            server.stop()
            await task
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)
            await runs.close()


async def reachable(made: House) -> bool:
    """Say whether somebody answers."""
    try:
        return (await made.ask("GET", "/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def until(holds: Callable[[], Awaitable[object]], *, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  # what is awaited is in another process, or a file
            await asyncio.sleep(0.02)


def folder(tmp_path: Path) -> Path:
    """Make a folder for a fleet."""
    made = tmp_path / "fleet"
    made.mkdir(exist_ok=True)
    return made


def made_engine(base: Rooms, seen: Seen) -> Engine:
    """Make a real engine."""
    engine = base.engine(reach_of(seen))
    assert isinstance(engine, Engine)
    return engine
