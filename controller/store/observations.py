"""What was last seen of servers and repos, on SQLite.

Built by `sqlite`; calls the writer and the reader.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from controller.model.observation import RepoSeen, ServerSeen
from controller.store.reader import Reader
from controller.store.rows import decode, encode
from controller.store.tables import REPOS_SEEN, SERVERS_SEEN
from controller.store.writer import Writer

_SERVERS = select(SERVERS_SEEN.c.data).order_by(SERVERS_SEEN.c.server)
_REPOS = select(REPOS_SEEN.c.data).order_by(REPOS_SEEN.c.repo)
_INSERT_SERVER = insert(SERVERS_SEEN)
_PUT_SERVER = _INSERT_SERVER.on_conflict_do_update(
    index_elements=[SERVERS_SEEN.c.server], set_={"data": _INSERT_SERVER.excluded.data}
)
_INSERT_REPO = insert(REPOS_SEEN)
_PUT_REPO = _INSERT_REPO.on_conflict_do_update(
    index_elements=[REPOS_SEEN.c.repo], set_={"data": _INSERT_REPO.excluded.data}
)


class SqliteObservations:
    """What was last seen."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def servers(self) -> Mapping[str, ServerSeen]:
        """Read the last observation of every server."""
        rows = await self._reader.read(lambda c: c.execute(_SERVERS).scalars().all())
        return {seen.server: seen for seen in (decode(ServerSeen, data) for data in rows)}

    async def put_servers(self, seen: Iterable[ServerSeen]) -> None:
        """Replace the observations of these servers."""
        rows = [{"server": one.server, "data": encode(one)} for one in seen]
        if rows:
            await self._writer.run(_PUT_SERVER, rows)

    async def repos(self) -> Mapping[str, RepoSeen]:
        """Read what was last seen of every repo."""
        rows = await self._reader.read(lambda c: c.execute(_REPOS).scalars().all())
        return {seen.repo: seen for seen in (decode(RepoSeen, data) for data in rows)}

    async def put_repo(self, seen: RepoSeen) -> None:
        """Replace what was seen of one repo."""
        await self._writer.run(_PUT_REPO, [{"repo": seen.repo, "data": encode(seen)}])
