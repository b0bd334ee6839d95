"""One measured client over ssh, as a program of its own: ours, or bare asyncssh with the same settings.

`python -m benchmarks.ssh_client ours|bare FARM.json` reaches every server of the farm cold, then warm, then runs ten
steps on each and one on quiet servers; it prints seconds of wall and of its own processor time as JSON. `once` reaches
each server once, as a whole program beside other programs.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncssh

from benchmarks.measure import peak_here
from controller.model.ids import AttemptId, JobId
from controller.model.inventory import Server, Ssh
from controller.transport.connection import OPTIONS
from controller.transport.port import AttemptSpec
from controller.transport.ssh import SshDialer

STEPS = 10
QUIET_SECONDS = 0.8
QUIET_TRIES = 5
AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A server of the farm."""

    name: str
    port: int
    host_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """All servers, and how to log in."""

    user: str
    key: Path
    hosts: tuple[Host, ...]


class Client(Protocol):
    """Runs `true` on a host and learns its exit code."""

    async def run(self, host: Host) -> None: ...
    async def close(self) -> None: ...


class Ours:
    """The whole path of a job: session, start, wait, output, exit code."""

    def __init__(self, farm: Farm) -> None:
        key = farm.key.read_bytes()
        self._servers = {
            one.name: Server(
                name=one.name,
                address="127.0.0.1",
                ssh=Ssh(user=farm.user, port=one.port, key="key", host_keys=(one.host_key,)),
            )
            for one in farm.hosts
        }
        self._dialer = SshDialer(
            keys=lambda _name: key,
            known_hosts=b"",
            servers={},
            ambient=None,
            nonce=lambda: secrets.token_hex(8),
            logins=AT_ONCE,
            idle=len(farm.hosts),
        )
        self._run = secrets.token_hex(5)
        self._count = 0

    async def run(self, host: Host) -> None:
        session = await self._dialer.open(self._servers[host.name])
        self._count += 1
        job = JobId(f"bench-{self._run}")
        spec = AttemptSpec(id=AttemptId(f"{job}.step.{self._count}"), job=job, text=b"true")
        await session.start(spec)
        ended = await session.wait(spec.id)
        output = [chunk async for chunk in session.output(spec.id)]
        assert (ended.exit_code, output) == (0, [])
        await session.close()

    async def close(self) -> None:
        await self._dialer.close()


class Bare:
    """What asyncssh needs at least: one kept connection a host, one exec a command."""

    def __init__(self, farm: Farm) -> None:
        self._user = farm.user
        self._key = asyncssh.read_private_key(farm.key)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._connections: dict[str, asyncssh.SSHClientConnection] = {}

    async def run(self, host: Host) -> None:
        if host.name not in self._connections:
            self._connections[host.name] = await self._connect(host)
        ended = await self._connections[host.name].run("true", encoding=None)
        assert ended.exit_status == 0

    async def _connect(self, host: Host) -> asyncssh.SSHClientConnection:
        async with self._room:
            return await asyncssh.connect(
                "127.0.0.1",
                host.port,
                username=self._user,
                client_keys=[self._key],
                known_hosts=([asyncssh.import_public_key(host.host_key)], [], []),
                **OPTIONS,
            )

    async def close(self) -> None:
        for one in self._connections.values():
            one.close()
        for one in self._connections.values():
            await one.wait_closed()


async def timed(work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Say what something takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


async def measured(client: Client, farm: Farm, *, once: bool) -> Mapping[str, object]:
    """Measure one client on a farm."""

    async def each() -> None:
        await asyncio.gather(*(client.run(host) for host in farm.hosts))

    async def steps(host: Host) -> None:
        for _ in range(STEPS):
            await client.run(host)

    cold = await timed(each)
    if once:
        await client.close()
        return {"cold": cold}
    await each()
    warm = await timed(each)
    ten = await timed(lambda: asyncio.gather(*(steps(host) for host in farm.hosts)))
    quiet = []
    for host in farm.hosts[:QUIET_TRIES]:
        await asyncio.sleep(QUIET_SECONDS)
        quiet.append((await timed(lambda host=host: client.run(host)))["wall"])  # type: ignore[misc]
    await client.close()
    return {"cold": cold, "warm": warm, "ten": ten, "quiet": quiet, "peak": peak_here()}


def main() -> None:
    kind, path = sys.argv[1:]
    told = json.loads(Path(path).read_text())
    farm = Farm(
        user=told["user"],
        key=Path(told["key"]),
        hosts=tuple(Host(**one) for one in told["hosts"]),
    )

    async def go() -> Mapping[str, object]:
        return await measured(
            Bare(farm) if kind == "bare" else Ours(farm), farm, once=kind == "once"
        )

    print(json.dumps(asyncio.run(go())))


if __name__ == "__main__":
    main()
