"""What a serving controller stands on: its state, the right to act on it, and the queue.

Called by `serving`. On a folder the lock is the right, and every start begins another epoch; on PostgreSQL a lease is, which another
process takes over when this one falls silent. Agents refuse whoever comes with an epoch that is over.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import LockedError, StateError, UsageError
from controller.reconcile.identity import identity, next_epoch
from controller.service.options import Part, ServeOptions
from controller.service.works import new_id
from controller.settings import Settings
from controller.source.place import find
from controller.store.folder import STATE_FOLDER, folder_of, prepare
from controller.store.leases import Lease
from controller.store.lock import StateLock, take
from controller.store.shelves import SqlStore
from controller.store.sqlite import open_store
from controller.workqueue.memory import MemoryQueue
from controller.workqueue.port import Queue

LOG: Final = logging.getLogger(__name__)
OWN_STATE: Final = Path(".local/state/ctl/serve")
"""Where files lie that belong to no config repository here, below the home."""
POSTGRES: Final = ("postgresql://", "postgres://")
WORKING: Final = "worker"
"""The lease of whoever does the work."""
LEASE_SECONDS: Final = 30.0
RENEW_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The state a controller acts on. `folder` holds what is not in the database; `cluster` and `epoch` are for agents."""

    folder: Path
    name: str
    store: SqlStore
    queue: Queue
    cluster: str
    epoch: int
    lease: Lease | None = None

    def holder(self, clock: Clock) -> Callable[[], Awaitable[None]]:
        """Give what keeps the right to act, for ever; without a lease there is nothing to do."""

        async def hold() -> None:
            while True:
                await clock.sleep(RENEW_SECONDS)
                lease = self.lease
                if lease is not None and not await self.store.leases.renew(lease, LEASE_SECONDS):
                    raise StateError(
                        "another process has taken over the work of this state",
                        hint="this one fell silent for too long; it begins anew",
                    )

        return hold


async def stand(options: ServeOptions, settings: Settings, stack: AsyncExitStack) -> Ground:
    """Open the state that was asked for.

    Raises:
        UsageError: one process is to be a part of a controller, and the state cannot be shared.
        LockedError: somebody else acts on it.
        StateError: it cannot be used.
    """
    url = options.state if options.state and options.state.startswith(POSTGRES) else None
    if url is not None:
        return await _on_postgres(url, options, settings, stack)
    if options.parts != frozenset(Part):
        raise UsageError(
            "--role needs a state that processes can share",
            hint="--state postgresql://…, or leave out --role",
        )
    folder = prepare(folder_of(options.state) if options.state else usual(options, settings))
    stack.enter_context(
        await take(StateLock(folder, clock=options.clock), options.actor, options.clock)
    )
    store = open_store(folder, clock=options.clock)
    stack.push_async_callback(store.close)
    queue = MemoryQueue(options.clock)
    stack.push_async_callback(queue.close)
    return Ground(
        folder=folder,
        name=str(folder),
        store=store,
        queue=queue,
        cluster=await identity(store, new_id),
        epoch=await next_epoch(store),
    )


def usual(options: ServeOptions, settings: Settings) -> Path:
    """Say where files lie when nothing is said: beside the checkout, else where systemd or the person keeps states.

    Raises:
        NotFoundError: there is no config repository here, and no address of one.
    """
    if options.source.url is None:
        return find(options.source.directory or Path.cwd()) / STATE_FOLDER
    return shared(options, settings)


def shared(options: ServeOptions, settings: Settings) -> Path:
    """Say where systemd keeps the state of a unit, else where the person's states are."""
    given = options.variables.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else settings.person.home / OWN_STATE


async def _on_postgres(
    url: str, options: ServeOptions, settings: Settings, stack: AsyncExitStack
) -> Ground:
    from controller.store.postgres import open_store as open_postgres
    from controller.store.postgres_connection import name_of
    from controller.workqueue.postgres import PostgresQueue

    name = name_of(url)
    folder = prepare(shared(options, settings))
    store = await asyncio.to_thread(open_postgres, url, clock=options.clock)
    stack.push_async_callback(store.close)
    queue = PostgresQueue(url)
    await queue.start()
    stack.push_async_callback(queue.close)
    lease = None
    if Part.WORKER in options.parts:
        lease = await _lease(store, options, name)
        stack.push_async_callback(store.leases.release, lease)
        store.fence(lease)
    return Ground(
        folder=folder,
        name=name,
        store=store,
        queue=queue,
        cluster=await identity(store, new_id),
        epoch=0 if lease is None else lease.epoch,
        lease=lease,
    )


async def _lease(store: SqlStore, options: ServeOptions, name: str) -> Lease:
    """Take the lease of the work, waiting for one that runs out.

    Raises:
        LockedError: another process keeps it.
    """
    owner = f"{options.actor}:{os.getpid()}:{new_id()}"
    until = LEASE_SECONDS + RENEW_SECONDS
    while until > 0:
        lease = await store.leases.acquire(WORKING, owner, LEASE_SECONDS)
        if lease is not None:
            return lease
        if until > LEASE_SECONDS:
            LOG.info("another worker acts on %s; waiting until it has ended", name)
        await options.clock.sleep(1.0)
        until -= 1.0
    held = await store.leases.holder(WORKING)
    raise LockedError(
        f"cannot work on {name}: {held.owner if held else 'another process'} does",
        hint="one worker at a time; the next one takes over when it ends",
    )
