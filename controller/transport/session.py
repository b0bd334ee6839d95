"""One open use of a way to a server: the port's `Session`, spoken to a runner.

Called by the carriers (`ssh`, `local`) with a way to open channels; its parts are `attempts`, `targets` and `reads`.
"""

from collections.abc import Callable

from controller.transport.attempts import AttemptCalls
from controller.transport.channel import OpenChannel
from controller.transport.lines import Lines
from controller.transport.needs_agent import NeedsAgent
from controller.transport.port import Facts
from controller.transport.reads import ReadCalls
from controller.transport.targets import TargetCalls


class RunnerSession(AttemptCalls, TargetCalls, ReadCalls, NeedsAgent):
    """A session with a runner; safe for many tasks at once."""

    @property
    def facts(self) -> Facts:
        """What was learnt at opening."""
        return self._lines.facts

    @property
    def lost(self) -> bool:
        """Say whether the other end is gone, so that another session has to be opened."""
        return self._lines.control.lost

    async def close(self) -> None:
        """Close the channels, for everybody who shares them; work goes on."""
        await self._lines.close()


async def open_session(
    open_channel: OpenChannel, *, server: str, nonce: Callable[[], str]
) -> RunnerSession:
    """Start a runner and say what it found.

    Args:
        open_channel: starts one more `sh` on the server.
        server: its name, for messages.
        nonce: gives a fresh word of letters and digits; it marks the runner's lines.

    Raises:
        TransportError: there is no runner to be had; `cause` says why (version, sudo, state, lost).
    """
    lines = Lines(open_channel, server=server, nonce=nonce)
    session = RunnerSession(lines)
    await lines.open(session.hear)
    return session
