"""Whoever answers, and the one difference that stopping makes: no new work is taken.

`daemon` puts it between `pump` and `Answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from controller.agent.asker import Answerer, Asker, Fetch
from controller.agent.errors import AgentError
from controller.agent.streams import Stream
from controller.execution.errors import UnknownAttemptError
from controller.wire.messages.attempts import Attempt, GetAttempt, RunScript, Start
from controller.wire.messages.greetings import Facts, HostState


class DrainingError(AgentError):
    """The agent stops as soon as all is done, and takes no more."""

    reference = "draining"


class Draining:
    """Hands everything on; refuses work from the moment it is told to."""

    def __init__(self, inner: Answerer) -> None:
        self._inner = inner
        self._refuses = False
        self.open = inner.open
        self.facts: Callable[[], Facts] = inner.facts
        self.state: Callable[[], HostState] = inner.state
        self.left: Callable[[object], None] = inner.left
        self.drain = inner.drain
        self.close = inner.close

    def refuse(self) -> None:
        """Take no more work."""
        self._refuses = True

    async def answer(self, asker: Asker, message: object, fetch: Fetch) -> object:
        """Answer, unless it is new work."""
        if (
            self._refuses
            and isinstance(message, (Start, RunScript))
            and not await self._knows(asker, message.id, fetch)
        ):
            raise DrainingError(
                "cannot start anything: this agent is about to stop", hint="try again in a moment"
            )
        return await self._inner.answer(asker, message, fetch)

    async def _knows(self, asker: Asker, attempt: str, fetch: Fetch) -> bool:
        """Say whether an attempt is there already; who asks for it again must hear how it is, not "no"."""
        try:
            found = await self._inner.answer(asker, GetAttempt(attempt=attempt), fetch)
        except UnknownAttemptError:
            return False
        return isinstance(found, Attempt) and found.phase != "none"

    async def stream(self, asker: Asker, message: object, stream: Stream) -> None:
        """Serve a stream."""
        await self._inner.stream(asker, message, stream)

    def listen(self, tell: Callable[[object], None]) -> Callable[[], None]:
        """Tell the news."""
        return self._inner.listen(tell)

    def noted(self, number: int) -> None:
        """Forget news."""
        self._inner.noted(number)

    def unnoted(self) -> Sequence[object]:
        """Give what nobody noted."""
        return self._inner.unnoted()
