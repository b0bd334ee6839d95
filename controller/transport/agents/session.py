"""One open use of an agent: the port's `Session`, spoken over a wire session that many share.

Made by `dialer` and `pull_dialer`; its parts are `attempts`, `targets`, `files` and `offers`.
"""

from collections.abc import Awaitable, Callable

from controller.model.observation import HostSeen
from controller.transport.agents import words
from controller.transport.agents.attempts import AgentAttempts
from controller.transport.agents.files import AgentFiles
from controller.transport.agents.offers import AgentOffers
from controller.transport.agents.peer import AgentPeer
from controller.transport.agents.targets import AgentTargets
from controller.transport.port import Facts


class AgentSession(AgentAttempts, AgentTargets, AgentFiles, AgentOffers):
    """A session with an agent; safe for many tasks at once.

    Args:
        peer: the agent, greeted.
        give_back: called once, when the session is closed.
    """

    def __init__(self, peer: AgentPeer, give_back: Callable[[], Awaitable[None]]) -> None:
        super().__init__(peer.talk)
        self._peer = peer
        self._give_back = give_back
        self._facts = words.facts(peer.facts)
        peer.holders += 1

    @property
    def facts(self) -> Facts:
        """What was learnt at opening."""
        return self._facts

    @property
    def host(self) -> HostSeen | None:
        """How the machine did when its agent last told."""
        return self._peer.host

    async def close(self) -> None:
        """Give the session back, once; work goes on, and so do the others who use the agent."""
        if not self._given_back:
            self._given_back = True
            await self._leave_inputs()
            self._peer.holders -= 1
            await self._give_back()
