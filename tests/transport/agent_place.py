"""An agent in this process that answers little, and the two carriers that reach it: for tests of connections and causes."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from controller.agent.values import Address
from controller.clock import SystemClock
from controller.model.inventory import Agent, Carrier, Server
from controller.pki.role import Role
from controller.transport.agents.dialer import AgentDialer
from controller.transport.agents.listener import AgentListener, Hooks
from controller.transport.agents.papers import Papers
from tests.agent.daemon_room import Room

_INSTANCES = itertools.count(1)
SERVER = Server(name="web-1", address="127.0.0.1", carrier=Carrier.AGENT)


def hub(room: Room) -> Papers:
    """Be a controller that agents on this machine dial."""
    if not (room.place.path / "hub.crt").exists():
        room.place.issue("hub", Role.CONTROLLER, alternatives=("127.0.0.1",))
    return Papers(room.place.path, "hub")


def papers(room: Room, name: str | None = "main") -> Papers:
    """Be one of the authority's names."""
    return Papers(room.place.path, name)


def instance() -> str:
    """Give a word that no other peer has."""
    return f"test-{next(_INSTANCES)}"


def server(room: Room) -> Server:
    """Where the agent of a room listens."""
    return replace(SERVER, agent=Agent(port=room.port))


@asynccontextmanager
async def dialling(
    room: Room, name: str | None = "main", **more: object
) -> AsyncIterator[AgentDialer]:
    """Dial agents meanwhile."""
    dialer = AgentDialer(papers(room, name), clock=SystemClock(), instance=instance, **more)  # type: ignore[arg-type]
    try:
        yield dialer
    finally:
        await dialer.close()


@asynccontextmanager
async def listening(
    room: Room, hooks: Hooks | None = None, port: int = 0
) -> AsyncIterator[AgentListener]:
    """Take agents that dial, meanwhile."""
    listener = AgentListener(hub(room), clock=SystemClock(), instance=instance(), hooks=hooks)
    await listener.start("127.0.0.1", port)
    try:
        yield listener
    finally:
        await listener.close()


def dials(listener: AgentListener) -> dict[str, object]:
    """Settings of an agent that dials a listener."""
    return {"listen": None, "connect": Address(host="127.0.0.1", port=listener.port)}


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so."""
    end = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.005)


def folder_of(room: Room, path: Path, *names: str) -> Path:
    """Carry the files of certificates into a folder of their own."""
    path.mkdir(mode=0o700)
    for name in (*(f"{one}{end}" for one in names for end in (".crt", ".key")), "ca.crt"):
        (path / name).write_bytes((room.place.path / name).read_bytes())
        (path / name).chmod(0o600)
    return path
