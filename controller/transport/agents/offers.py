"""What an agent offers by itself: scripts, their reports, and its pool of workers.

Part of `session`; it calls `calls`.
"""

from typing import Final

from controller.errors import NotFoundError, RefusedError
from controller.model.ids import AttemptId
from controller.transport.agents import words
from controller.transport.agents.calls import AgentCalls
from controller.transport.port import Pool, ScriptReport, ScriptSource, ServerScript
from controller.wire.messages import server

SCRIPTS: Final = 10_000
TEXT: Final = 1 << 20


class AgentOffers(AgentCalls):
    """The part of a session that shows and changes what the agent offers."""

    async def scripts(self) -> tuple[ServerScript, ...]:
        """List the scripts of the server, in order of name."""
        found: dict[str, ServerScript] = {}
        async for page in self._pages(
            lambda after: server.ListScripts(after=after),
            server.ScriptPage,
            lambda page: max((one.name for one in page.scripts), default=""),
        ):
            found.update((one.name, words.script(one)) for one in page.scripts)
            if len(found) >= SCRIPTS:
                break
        return tuple(found[name] for name in sorted(found)[:SCRIPTS])

    async def inspect(self, script: str) -> ScriptSource:
        """Show one script.

        Raises:
            NotFoundError: it is not offered.
        """
        said = await self._ask(server.Inspect(name=script), server.ScriptText)
        return ScriptSource(
            script=words.script(said.script),
            headers=words.headers(said.headers),
            text=said.text[:TEXT],
        )

    async def report(self, attempt: AttemptId) -> ScriptReport | None:
        """Give the report of a script's attempt that has ended; None where there is none."""
        try:
            said = await self._ask(server.GetReport(attempt=attempt), server.Report)
        except (NotFoundError, RefusedError):
            return None  # refused by an agent of a version that makes none: the job has ended all the same
        return words.report(attempt, said)

    async def pool(self) -> Pool:
        """Show the worker pool."""
        return words.pool(await self._ask(server.GetPool(), server.Pool))

    async def set_pool(self, workers: int) -> Pool:
        """Change how many attempts run at once."""
        return words.pool(await self._ask(server.SetPool(workers=workers), server.Pool))
