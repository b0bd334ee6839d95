"""The logs of a serving controller, as `ctl logs` reads the files of one here."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from controller.cli.remote.client import Client, listing, mapping
from controller.cli.remote.reading import line_of, read
from controller.journal.line import Line
from controller.journal.verify import Finding

PAGE: Final = 500
LOOK_SECONDS: Final = 1.0


class RemoteLog:
    """One of the two logs over there."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._path = f"/api/v1/logs/{name}"

    async def tail(self, count: int) -> tuple[Line, ...]:
        """Read the last lines, oldest first."""
        return await self._read(count)

    async def since(self, moment: datetime) -> tuple[Line, ...]:
        """Read the lines from a moment on, oldest first."""
        return await self._read(None, since=moment.isoformat())

    async def follow(self, *, after: int) -> AsyncIterator[Line]:
        """Give lines as they are written, from `after` that number on. Never ends."""
        seen = after
        while True:
            for line in await self._read(None, after=seen):
                yield line
                seen = line.seq
            await asyncio.sleep(LOOK_SECONDS)

    async def _read(
        self, count: int | None, *, since: str | None = None, after: int = -1
    ) -> tuple[Line, ...]:
        """Read newest first, page by page, until there are enough or all are known."""
        found: list[Line] = []
        cursor: str | None = None
        while count is None or len(found) < count:
            most = PAGE if count is None else min(PAGE, count - len(found))
            page = mapping(
                await self._client.get(self._path, limit=most, since=since, cursor=cursor)
            )
            lines = [line_of(one) for one in listing(page["items"])]
            found += [line for line in lines if line.seq > after]
            cursor = None if page.get("next") is None else str(page["next"])
            if cursor is None or any(line.seq <= after for line in lines):
                break
        return tuple(reversed(found))


async def verified(client: Client) -> dict[str, tuple[Finding, ...]]:
    """Have the chains of both logs checked over there."""
    logs = mapping(mapping(await client.get("/api/v1/logs/verify"))["logs"])
    return {
        name: tuple(read(Finding, one) for one in listing(mapping(told)["findings"]))
        for name, told in logs.items()
    }
