"""What was last seen of servers and repos, and what earlier, in SQL.

Built by `shelves`; calls the writer, the reader and the history.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Executable, Select, bindparam, select

from controller.clock import Clock
from controller.model.observation import RepoSeen, ServerSeen
from controller.store.history import recall, remember
from controller.store.outline import by_server
from controller.store.past import Entry, Kind, of_repo, of_server
from controller.store.reader import Reader
from controller.store.rows import decode, encode, kept_server
from controller.store.tables import REPOS_SEEN, SERVERS_SEEN
from controller.store.upsert import upsert
from controller.store.writer import Writer

_SERVERS = select(SERVERS_SEEN.c.data).order_by(SERVERS_SEEN.c.server)
_SERVER = select(SERVERS_SEEN.c.data).where(SERVERS_SEEN.c.server == bindparam("name"))
_REPOS = select(REPOS_SEEN.c.data).order_by(REPOS_SEEN.c.repo)
_PUT_SERVER = upsert(SERVERS_SEEN, keys=("server",), set_=("data",))
_PUT_REPO = upsert(REPOS_SEEN, keys=("repo",), set_=("data",))


class SqlObservations:
    """What was last seen; what was seen earlier is kept for a while."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def server(self, name: str) -> ServerSeen | None:
        """Read the last observation of one server."""
        data = await self._reader.read(
            lambda c: c.execute(_SERVER, {"name": name}).scalar(), single=True
        )
        return None if data is None else decode(ServerSeen, data)

    async def servers(
        self, *, as_of: datetime | None = None, targets: Collection[str] | None = None
    ) -> Mapping[str, ServerSeen]:
        """Read the last observation of every server, up to a moment; with `targets` only what was seen of these there."""
        return await self._reader.read(
            lambda c: by_server(_rows(c, _SERVERS, Kind.SERVER, as_of), targets)
        )

    async def put_servers(self, seen: Iterable[ServerSeen]) -> None:
        """Replace the observations of these servers."""
        kept = [kept_server(one) for one in seen]
        made = [of_server(one, encode(one)) for one in kept]
        if made:
            await self._put(_PUT_SERVER, "server", made)

    async def repos(self, *, as_of: datetime | None = None) -> Mapping[str, RepoSeen]:
        """Read what was last seen of every repo, up to a moment."""
        rows = await self._reader.read(lambda c: _rows(c, _REPOS, Kind.REPO, as_of))
        return {seen.repo: seen for seen in (decode(RepoSeen, data) for data in rows)}

    async def put_repo(self, seen: RepoSeen) -> None:
        """Replace what was seen of one repo."""
        await self._put(_PUT_REPO, "repo", [of_repo(seen, encode(seen))])

    async def _put(self, statement: Executable, column: str, entries: Sequence[Entry]) -> None:
        rows = [{column: entry.name, "data": entry.data} for entry in entries]
        now = self._clock.now()

        def write(connection: Connection) -> None:
            connection.execute(statement, rows)
            remember(connection, entries, now)

        await self._writer.write(write)


def _rows(
    connection: Connection, now: Select[str], kind: Kind, as_of: datetime | None
) -> Sequence[str]:
    if as_of is not None:
        return recall(connection, kind, as_of)
    return connection.execute(now).scalars().all()
