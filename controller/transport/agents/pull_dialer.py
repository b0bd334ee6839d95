"""The carrier of agents that dial the controller: whoever is here is reached, and nobody else.

Built by `service`; it asks the `listener`, where this process has one. A command by hand has none: the servers of such agents are
away for it.
"""

import asyncio
from typing import Final

from controller.errors import TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport.agents.listener import AgentListener
from controller.transport.agents.peer import AgentPeer
from controller.transport.agents.session import AgentSession
from controller.wire.messages.greetings import Goodbye

RETURN_SECONDS: Final = 10.0
RECONNECT_SECONDS: Final = 20.0
LATELY_SECONDS: Final = 120.0
"""An agent that takes nobody dials again at least every minute, and says why each time."""


class PullDialer:
    """Opens sessions with agents that have dialled in.

    Args:
        listener: takes them; None: nobody listens here.
        patience: seconds that an agent which was here just now, or could not dial yet, is waited for.
    """

    def __init__(self, listener: AgentListener | None, *, patience: float = RETURN_SECONDS) -> None:
        self._listener = listener
        self._patience = patience

    async def open(self, server: Server) -> AgentSession:
        """Give a session with an agent that is here.

        Raises:
            TransportError: it is not; `cause` is `away`.
        """
        return AgentSession(await self._peer(server), nothing)

    async def fresh(self, server: Server) -> AgentSession:
        """Have an agent dial again, and give a session over that connection; those who use it notice nothing.

        Raises:
            TransportError: it is not here, or did not come back.
        """
        peer = await self._peer(server)
        peer.part(Goodbye(reason="reconnect"))
        if not await peer.greeted(within=RECONNECT_SECONDS):
            raise away(
                server, f"was asked to dial again and has not within {RECONNECT_SECONDS:.0f} s"
            )
        return AgentSession(peer, nothing)

    async def close(self) -> None:
        """Leave the agents where they are: they belong to the listener."""

    async def _peer(self, server: Server) -> AgentPeer:
        listener = self._listener
        if listener is None:
            raise TransportError(
                f"cannot reach {server.name}: its agent dials a controller, and none listens here",
                cause=Unreachable.AWAY,
                hint="run this where the controller serves, or declare agent: {port: 9443}",
            )
        loop = asyncio.get_running_loop()
        peer = listener.peer(server.name)
        until = self._patience + (listener.began if peer is None else peer.down_since)
        while (peer is None or not peer.up) and loop.time() < until:
            await asyncio.sleep(0.05)
            peer = listener.peer(server.name)
        if peer is None or not peer.up:
            declined = None if peer is None else peer.declined(within=LATELY_SECONDS)
            raise declined or away(server, "has not dialled in")
        return peer


def away(server: Server, what: str) -> TransportError:
    """Say that an agent is not here."""
    return TransportError(
        f"cannot reach {server.name}: its agent {what}",
        cause=Unreachable.AWAY,
        hint="on the server: journalctl -u ctl-agent",
    )


async def nothing() -> None:
    """Take a session back: the agent stays."""
