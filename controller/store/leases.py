"""Who may act: one owner under a name at a time, and an epoch that counts up each time that changes.

Called by `reconcile` through `shelves`; calls the writer. A store that was given a lease by `fence` writes only while its epoch is the
newest; this is asked inside the transaction of every group of writes, so a controller that was taken for dead cannot
write behind the back of the next one.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from sqlalchemy import Connection, bindparam, select, text, update

from controller.clock import Clock
from controller.errors import LockedError
from controller.store.past import instant
from controller.store.tables import LEASES
from controller.store.upsert import upsert
from controller.store.writer import Writer

_GET: Final = select(LEASES.c.owner, LEASES.c.epoch, LEASES.c.until).where(
    LEASES.c.name == bindparam("its_name")
)
_PUT: Final = upsert(LEASES, keys=("name",), set_=("owner", "epoch", "until"))
_PROLONG: Final = (
    update(LEASES)
    .where(
        LEASES.c.name == bindparam("its_name"),
        LEASES.c.owner == bindparam("its_owner"),
        LEASES.c.epoch == bindparam("its_epoch"),
    )
    .values(until=bindparam("new_until"))
)
_NOW: Final = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of an owner to act under a name; a higher epoch ends it."""

    name: str
    owner: str
    epoch: int


class _Standing(NamedTuple):
    """The row of a lease."""

    owner: str
    epoch: int
    until: int


class Leases(Protocol):
    """Leases by name."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Take a lease that is free or has run out, under the next epoch; None while another owner holds it.

        Whoever takes a lease that is its own gets a new epoch, too.
        """
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold a lease for so long from now; false once another epoch has begun."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give a lease back; one that is no longer ours is left alone."""
        ...

    async def holder(self, name: str) -> Lease | None:
        """Say who took a lease last, whether or not it has run out."""
        ...


class SqlLeases:
    """Leases in SQL. Their time is PostgreSQL's, so that machines need not agree on it."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Take a lease under the next epoch; None while another owner holds it.

        On SQLite nobody else does: who opens the lock of the state folder knows that the one before has ended.
        """

        def write(connection: Connection) -> Lease | None:
            now, found = self._now(connection), _found(connection, name)
            alone = connection.dialect.name == "sqlite"
            if found and found.until > now and found.owner != owner and not alone:
                return None
            epoch = found.epoch + 1 if found else 1
            row = {"name": name, "owner": owner, "epoch": epoch, "until": now + _micro(seconds)}
            connection.execute(_PUT, row)
            return Lease(name=name, owner=owner, epoch=epoch)

        return await self._writer.write(write, fenced=False)

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold a lease for so long from now; false once another epoch has begun."""
        return await self._prolong(lease, seconds)

    async def release(self, lease: Lease) -> None:
        """Give a lease back; one that is no longer ours is left alone."""
        await self._prolong(lease, 0)

    async def holder(self, name: str) -> Lease | None:
        """Say who took a lease last, whether or not it has run out."""
        found = await self._writer.write(lambda c: _found(c, name), fenced=False)
        return None if found is None else Lease(name=name, owner=found.owner, epoch=found.epoch)

    async def _prolong(self, lease: Lease, seconds: float) -> bool:
        def write(connection: Connection) -> bool:
            until = self._now(connection) + _micro(seconds)
            values = {
                "its_name": lease.name,
                "its_owner": lease.owner,
                "its_epoch": lease.epoch,
                "new_until": until,
            }
            return connection.execute(_PROLONG, values).rowcount > 0

        return await self._writer.write(write, fenced=False)

    def _now(self, connection: Connection) -> int:
        if connection.dialect.name == "postgresql":
            return int(connection.execute(_NOW).scalar_one())
        return instant(self._clock.now())


class Fence:
    """Lets writes pass only while a lease is the newest of its name."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def refuses(self, connection: Connection) -> LockedError | None:
        """Look, inside a transaction that excludes others, whether another epoch has begun."""
        found = _found(connection, self._lease.name)
        if found and found.epoch == self._lease.epoch:
            return None
        by = f"{found.owner} (epoch {found.epoch})" if found else "somebody else"
        return LockedError(
            f"cannot write as {self._lease.owner} (epoch {self._lease.epoch}): {by} has taken over",
            hint="this controller stops acting; look at the other one",
        )


def _found(connection: Connection, name: str) -> _Standing | None:
    row = connection.execute(_GET, {"its_name": name}).first()
    return None if row is None else _Standing(*row)


def _micro(seconds: float) -> int:
    return timedelta(seconds=seconds) // timedelta(microseconds=1)
