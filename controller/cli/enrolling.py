"""Waiting for a server that was invited: the enrolment of the agents' listener, for as long as one command runs.

Called by `inviting`; `transport` does the work. Whoever runs a controller that listens anyway needs none of it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from controller.agent.options import CONNECT_PORT
from controller.agent.values import Address, address
from controller.cli.context import Invocation
from controller.cli.views.words import line
from controller.errors import UsageError
from controller.transport.agents.enrolment import ENROLLED, Enrolment, Heard
from controller.transport.agents.listener import AgentListener, Hooks
from controller.transport.agents.papers import Papers

LINGER: Final = 5.0
"""Seconds that go on after a server has enrolled, in which it may ask again for an answer that was lost."""


class Waiting:
    """A listener at work, and who is waited for."""

    def __init__(self, ctl: Invocation, folder: Path) -> None:
        self._ctl = ctl
        self._enrolled: dict[str, asyncio.Event] = {}
        self.listener = AgentListener(
            Papers(folder),
            clock=ctl.surroundings.clock,
            instance=secrets.token_hex(8),
            hooks=Hooks(enroll=Enrolment(folder, clock=ctl.surroundings.clock, tell=self._hear)),
        )

    async def enrolled(self, name: str, *, seconds: float) -> bool:
        """Wait until a name has enrolled; false when its time is over."""
        event = self._enrolled.setdefault(name, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        await self._ctl.surroundings.clock.sleep(LINGER)
        return True

    def _hear(self, heard: Heard) -> None:
        who = f" as {line(heard.name)}" if heard.name else ""
        self._ctl.note(f"{line(heard.peer)}{who}: {line(heard.outcome)}")
        if heard.outcome == ENROLLED:
            self._enrolled.setdefault(heard.name, asyncio.Event()).set()


@asynccontextmanager
async def waiting(ctl: Invocation, folder: Path, listen: str) -> AsyncIterator[Waiting]:
    """Listen for those who enrol, meanwhile.

    Args:
        ctl: the command line.
        folder: the authority's; it has to hold the certificate and key of a controller.
        listen: where, as `HOST:PORT`.

    Raises:
        RefusedError: there is no certificate of a controller.
        StateError: the port cannot be had.
        UsageError: that is no address.
    """
    place = read_address(listen)
    made = Waiting(ctl, folder)
    await made.listener.start(place.host, place.port)
    try:
        yield made
    finally:
        await made.listener.close()


def read_address(text: str) -> Address:
    """Read where to listen; the port agents dial where none is said.

    Raises:
        UsageError: it is no address.
    """
    try:
        found = address(CONNECT_PORT, least=0)(text)
    except ValueError as error:
        raise UsageError(f'cannot listen on "{text}": {error}') from error
    if not isinstance(found, Address):
        raise UsageError(f'cannot listen on "{text}"')
    return found
