"""What only an agent can do, refused: the part of the port that carriers without one share.

Part of `session` and of simulated sessions; it calls nothing.
"""

from collections.abc import AsyncIterator, Mapping
from typing import NoReturn

from controller.errors import NeedsAgentError
from controller.model.ids import AttemptId, JobId
from controller.model.observation import HostSeen
from controller.transport.port import AttemptStatus, Pool, ScriptReport, ScriptSource, ServerScript


class NeedsAgent:
    """Refuses every call, and says what to do."""

    @property
    def host(self) -> HostSeen | None:
        """Nobody tells how the machine does."""
        return None

    async def pause(self, attempt: AttemptId, *, seconds: float = 0.0) -> AttemptStatus:
        """Refuse."""
        _refuse(f"pause {attempt} for {seconds:g} s" if seconds else f"pause {attempt}")

    async def resume(self, attempt: AttemptId) -> AttemptStatus:
        """Refuse."""
        _refuse(f"resume {attempt}")

    async def feed(self, attempt: AttemptId, data: bytes, *, close: bool = False) -> None:
        """Refuse."""
        _refuse(f"give {attempt} {len(data)} bytes more of input{', the last' * close}")

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """Refuse."""
        _refuse(f"list the workspace of {job}")

    async def put(
        self, job: JobId, path: str, data: AsyncIterator[bytes], *, executable: bool = False
    ) -> None:
        """Refuse."""
        _refuse(f"write {path} to the workspace of {job}")

    async def remove(self, job: JobId, path: str) -> None:
        """Refuse."""
        _refuse(f"delete {path} from the workspace of {job}")

    async def scripts(self) -> tuple[ServerScript, ...]:
        """Refuse."""
        _refuse("list the scripts of the server")

    async def inspect(self, script: str) -> ScriptSource:
        """Refuse."""
        _refuse(f"show the script {script}")

    async def report(self, attempt: AttemptId) -> ScriptReport | None:
        """Say that there is none: only agents write reports."""
        return None

    async def pool(self) -> Pool:
        """Refuse."""
        _refuse("show the worker pool")

    async def set_pool(self, workers: int) -> Pool:
        """Refuse."""
        _refuse(f"set the worker pool to {workers}")


def _refuse(what: str) -> NoReturn:
    raise NeedsAgentError(
        f"cannot {what}: the server is reached without an agent",
        hint="ctl agent install --on SERVER, then declare agent: {}",
    )
