"""`ctl` that listens for the agents that dial it, as long as a command goes on: `python -m tests.e2e.listening PORT … controller ARGUMENTS`.

A command by hand has no listener, and one that serves is a world of its own; here a whole command over `pull` can be killed at any moment.
"""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from controller import __main__ as program
from controller.model.inventory import Server
from controller.service import local
from controller.service.works import Works, new_id
from controller.transport.agents.listener import AgentListener
from controller.transport.agents.papers import Papers
from controller.transport.agents.pull_dialer import PullDialer
from controller.transport.agents.session import AgentSession
from controller.transport.port import Dialer
from tests.e2e.fleet import Fleet

PATIENCE = 60.0
"""Seconds for an agent to dial again, which it does the later the longer nobody was there."""


class ListeningDialer:
    """The carrier of agents that dial, with a listener of its own that begins when it is first needed."""

    def __init__(self, listener: AgentListener, port: int) -> None:
        self._listener = listener
        self._port = port
        self._pulls = PullDialer(listener, patience=PATIENCE)
        self._begun: asyncio.Task[None] | None = None

    async def open(self, server: Server) -> AgentSession:
        await self._begin()
        return await self._pulls.open(server)

    async def fresh(self, server: Server) -> AgentSession:
        await self._begin()
        return await self._pulls.fresh(server)

    async def close(self) -> None:
        if self._begun is not None:
            await self._begun
            await self._listener.close()

    async def _begin(self) -> None:
        if self._begun is None:
            self._begun = asyncio.ensure_future(self._listener.start("127.0.0.1", self._port))
        await asyncio.shield(self._begun)


def listening(port: int) -> type[Works]:
    """Make rooms in which agents are listened for at a port."""

    class ListeningWorks(Works):
        """The rooms of a command by hand, and a listener."""

        def pulls(self) -> Dialer:
            said = self._options.papers
            listener = AgentListener(
                Papers(said.folder, said.name),
                clock=self._options.clock,
                instance=new_id(),
                cluster=self._cluster,
                lease=self._epoch,
            )
            return ListeningDialer(listener, port)

    return ListeningWorks


@dataclass(slots=True, kw_only=True)
class PullFleet(Fleet):
    """A world whose agents dial; `port` is where commands listen for them."""

    port: int

    def inventory(self, *names: str) -> str:
        return Fleet.inventory(self, *names).replace("agent: {port: 0}", "pull: {}")

    def spawn(
        self, *argv: str, state: Path | None = None, prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        more = (*prefix, sys.executable, "-m", "tests.e2e.listening", str(self.port))
        return Fleet.spawn(self, *argv, state=state, prefix=more)


if __name__ == "__main__":
    vars(local)["Works"] = listening(int(sys.argv[1]))
    sys.argv = sys.argv[sys.argv.index("controller") :]
    program.main()
