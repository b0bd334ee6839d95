"""What one agent asks of its controller: its next certificate, and nothing else.

Part of `peer`, which hands it the requests and the connection by which they came; it calls the `Renewer` that whoever serves
gave. Where there is none, as in commands by hand, an agent was never told that it may ask, and hears that it may not.
"""

import asyncio
from contextlib import suppress
from typing import Final

from controller.errors import SessionLostError
from controller.transport.agents.line import AgentLine
from controller.transport.agents.renewer import Renewer
from controller.transport.agents.talk import AgentTalk
from controller.wire.events import Requested
from controller.wire.messages.renewal import Renew
from controller.wire.messages.server import Failed, Unsupported
from controller.wire.messages.table import BY_RECORD

BUSY: Final = Failed(code="later", message="cannot renew now: it was just asked")


class AgentRequests:
    """Answers one agent.

    Args:
        name: of the server.
        talk: says the answers.
        renew: signs; None: nobody does.
    """

    __slots__ = ("_busy", "_name", "_renew", "_talk", "_tasks")

    def __init__(self, name: str, talk: AgentTalk, renew: Renewer | None) -> None:
        self._name = name
        self._talk = talk
        self._renew = renew
        self._busy = False
        self._tasks: set[asyncio.Task[None]] = set()

    def heed(self, event: Requested, line: AgentLine | None) -> None:
        """Answer beside everything else; the wire bounds how much may be asked at once.

        Args:
            event: the request.
            line: the connection by which it came, whose certificate counts.
        """
        certificate = None
        with suppress(ConnectionResetError):  # it has gone already, and asks again
            certificate = line.certificate if line is not None else None
        task = asyncio.get_running_loop().create_task(self._answer(event, certificate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Answer nobody any more; what is being signed is signed, and is told when it is asked for again."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, event: Requested, certificate: bytes | None) -> None:
        era = self._talk.era
        reply = await self._reply(event.message, certificate)
        with suppress(SessionLostError):  # it asks again in the next session
            await self._talk.reply(event.call, reply, era=era)

    async def _reply(self, message: object, certificate: bytes | None) -> object:
        if self._renew is None or not isinstance(message, Renew):
            return Unsupported(of=BY_RECORD[type(message)].name, why="direction")
        if self._busy or certificate is None:
            return BUSY
        self._busy = True
        try:
            return await self._renew(self._name, certificate, message)
        finally:
            self._busy = False
