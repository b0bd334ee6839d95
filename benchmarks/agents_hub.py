"""The controller of `agents`: a listener in a process of its own, or the barest TLS server there can be.

`python -m benchmarks.agents_hub FOLDER ours|bare`; it says its port, then answers each line of standard input with the bytes of memory
it holds, its seconds of processor time, the agents that are here, and the heartbeats it has seen.
"""

import asyncio
import gc
import ssl
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks.agents_crowd import lines
from controller.clock import SystemClock
from controller.transport.agents import listener
from controller.transport.agents.line import AgentLine
from controller.transport.agents.listener import AgentListener
from controller.transport.agents.papers import Papers

ANSWER = b"y" * 60
"""As long as the answer to a heartbeat is with what frames it."""


class CountingClock(SystemClock):
    """Counts how often it is asked: once for each heartbeat."""

    def __init__(self) -> None:
        self.asked = 0

    def now(self) -> datetime:
        """Say what time it is."""
        self.asked += 1
        return super().now()


class Echo:
    """Answers everything."""

    def __init__(self) -> None:
        self.lines: set[AgentLine] = set()
        self.heard = 0

    def met(self, line: AgentLine) -> None:
        """Take a connection."""
        line.belongs_to(self)
        self.lines.add(line)

    def received(self, line: AgentLine, data: bytes) -> None:
        """Answer."""
        self.heard += 1
        line.write(ANSWER)

    def eased(self, line: AgentLine) -> None:
        """Nothing waits."""

    def gone(self, line: AgentLine, error: Exception | None) -> None:
        """Forget it."""
        self.lines.discard(line)


def resident() -> int:
    """Bytes of memory this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def ours(folder: Path) -> None:
    """Serve as a controller does, but for the bound on the rate of handshakes, which is measured."""
    listener.RATE = 100_000.0  # type: ignore[misc]
    clock = CountingClock()
    hub = AgentListener(Papers(folder, "hub"), clock=clock, instance="bench")
    await hub.start("127.0.0.1", 0)
    print(hub.port, flush=True)
    async for _ in lines():
        print(resident(), time.process_time(), len(hub.here), clock.asked, flush=True)


async def bare(folder: Path) -> None:
    """Serve as little as possible, with the same TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["ctl/1"])
    context.load_verify_locations(folder / "ca.crt")
    context.load_cert_chain(folder / "hub.crt", folder / "hub.key")
    echo = Echo()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: AgentLine(echo.met), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async for _ in lines():
        print(resident(), time.process_time(), len(echo.lines), echo.heard, flush=True)


if __name__ == "__main__":
    serve = ours if sys.argv[2] == "ours" else bare
    asyncio.run(serve(Path(sys.argv[1])))
