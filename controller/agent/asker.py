"""Who asks something of this agent, as the certificate of the connection says; and what the daemon asks of whoever answers.

`pump` and `talks` make an `Asker` for every request and stream, and hand both to an `Answerer`: the class `Answers` in the
daemon, a smaller one in tests. Pure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Callable, Literal, Protocol

from controller.agent.streams import Stream
from controller.wire.messages.greetings import Facts, HostState
from controller.wire.record import record

Role = Literal["controller", "admin", "user"]
Fetch = Callable[[str], AsyncIterator[bytes]]
"""Gives the bytes of a script of the controller that asks, by its SHA-256; raises StreamCancelledError, StreamLostError."""


@record
class Asker:
    """The other end of one session.

    Attributes:
        name: the CN of its certificate.
        role: the OU.
        serial: in upper-case hex.
        session: equal for all that is asked in one session, and for nothing else; `Stream.session` is the same.
    """

    name: str
    role: Role
    serial: str
    session: object


class Answerer(Protocol):
    """Answers what comes over all connections; called in the event loop, many requests at once."""

    async def open(self) -> None:
        """Begin: read what was there before; raises what makes it impossible."""

    def facts(self) -> Facts:
        """Say what this machine is."""

    def state(self) -> HostState:
        """Say how it does; at once."""

    async def answer(self, asker: Asker, message: object, fetch: Fetch) -> object:
        """Give the reply to a request; AgentError and ExecutionError are told to who asked."""

    async def stream(self, asker: Asker, message: object, stream: Stream) -> None:
        """Serve a stream to its end."""

    def left(self, session: object) -> None:
        """Note that a session has no connection any more; it may come back, and is there again when it asks."""

    def listen(self, tell: Callable[[object], None]) -> Callable[[], None]:
        """Call `tell` with all news from now on; give what ends that."""

    def noted(self, number: int) -> None:
        """Forget news up to a number."""

    def unnoted(self) -> Sequence[object]:
        """Give the news that no controller has noted, in order."""

    async def drain(self) -> None:
        """Wait until nothing runs or waits."""

    async def close(self) -> None:
        """End; attempts go on."""
