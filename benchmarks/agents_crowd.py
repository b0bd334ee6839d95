"""Many agents in one process that do nothing but greet and beat; `agents` starts some of these and commands them by lines.

`python -m benchmarks.agents_crowd FOLDER FIRST COUNT PORT ours|bare`, then on standard input: `connect`, `beat N`, `drop`, `quit`. With
`bare` they speak plain bytes of the same sizes, for the floor.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from controller.transport.agents.line import AgentLine
from controller.wire.doorway import Doorway
from controller.wire.handshake import Identity
from controller.wire.link import Link
from controller.wire.messages.greetings import Facts, HostState
from controller.wire.messages.table import To

AT_ONCE = 40
BEAT = b"x" * 330
"""As long as a heartbeat is with what frames it."""
STATE = HostState(
    cpu=0.12,
    processors=4,
    memory_used=3_000_000_000,
    memory_total=8_000_000_000,
    disk_used=20_000_000_000,
    disk_total=80_000_000_000,
    load=(0.5, 0.4, 0.3),
    uptime=86_400.0,
    workers=4,
)


class Simulated:
    """One agent."""

    def __init__(self, folder: Path, number: int, port: int, *, bare: bool) -> None:
        self.name = f"a{number}"
        self.port = port
        self.bare = bare
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.set_alpn_protocols(["ctl/1"])
        self.context.load_verify_locations(folder / "ca.crt")
        self.context.load_cert_chain(folder / f"{self.name}.pem", folder / "shared.key")
        me = Identity(
            side=To.AGENT, name=self.name, instance=self.name, facts=Facts(boot_id="boot")
        )
        self.door = Doorway(me, {})
        self.line: AgentLine | None = None
        self.link: Link | None = None
        self.greeted: asyncio.Future[None] | None = None

    async def connect(self) -> None:
        """Dial, and wait until the controller has said hello."""
        loop = asyncio.get_running_loop()
        self.greeted = loop.create_future()
        self.link = self.door.connect("hub", loop.time(), leads=True)
        _, self.line = await loop.create_connection(
            AgentLine, "127.0.0.1", self.port, ssl=self.context, server_hostname="hub"
        )
        self.line.belongs_to(self)
        if self.bare:
            self.line.write(BEAT)
        await self.greeted

    def drop(self) -> None:
        """Break off, without a word."""
        if self.line is not None:
            self.line.abort()
        if self.link is not None:
            self.door.lost(self.link)

    def beat(self) -> None:
        """Say how this machine does."""
        if self.line is None or self.link is None:
            return
        if self.bare:
            self.line.write(BEAT)
            return
        session = self.door.session(self.link)
        if session is not None:
            session.heartbeat(STATE, asyncio.get_running_loop().time())
            self.line.write(self.link.take())

    def received(self, line: AgentLine, data: bytes) -> None:
        """Take bytes."""
        if not self.bare and self.link is not None:
            self.door.receive(self.link, data, asyncio.get_running_loop().time())
            line.write(self.link.take())
        if self.greeted is not None and not self.greeted.done():
            self.greeted.set_result(None)

    def eased(self, line: AgentLine) -> None:
        """Nothing waits."""

    def gone(self, line: AgentLine, error: Exception | None) -> None:
        """Nothing is done about it."""
        if self.greeted is not None and not self.greeted.done():
            self.greeted.set_exception(error or ConnectionResetError("gone"))


async def connect_all(crowd: list[Simulated]) -> None:
    """Connect everybody, some at once; who is refused tries again."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(agent: Simulated) -> None:
        async with room:
            for _ in range(5):
                try:
                    await agent.connect()
                except OSError:
                    await asyncio.sleep(0.2)
                else:
                    return
        raise RuntimeError(f"{agent.name} was not taken")

    await asyncio.gather(*(one(agent) for agent in crowd))


async def beat_all(crowd: list[Simulated], times: int) -> None:
    """Beat in turn, a moment apart, as a fleet does."""
    for _ in range(times):
        for number, agent in enumerate(crowd):
            agent.beat()
            if number % 20 == 0:
                await asyncio.sleep(0.005)


async def obey(crowd: list[Simulated]) -> None:
    """Do what the lines say, and say when it is done."""
    async for line in lines():
        word, _, rest = line.partition(" ")
        if word == "quit":
            return
        if word == "connect":
            await connect_all(crowd)
        elif word == "beat":
            await beat_all(crowd, int(rest))
        elif word == "drop":
            for agent in crowd:
                agent.drop()
        print("done", flush=True)


async def lines() -> AsyncIterator[str]:
    """Give the lines of standard input."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


async def main() -> None:
    folder, first, count, port, kind = sys.argv[1:]
    numbers = range(int(first), int(first) + int(count))
    await obey([Simulated(Path(folder), n, int(port), bare=kind == "bare") for n in numbers])


if __name__ == "__main__":
    asyncio.run(main())
