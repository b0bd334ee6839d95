"""What a serving controller stands on: its state, the right to act on it, and the queue.

Called by `serving`. On a folder the lock is the right, and every start begins another epoch; on PostgreSQL a lease is, which another
process takes over when this one falls silent. Agents refuse whoever comes with an epoch that is over.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import UsageError
from controller.reconcile.identity import identity, next_epoch
from controller.service.options import Part, ServeOptions
from controller.service.shared import (
    LEASE_SECONDS,
    RENEW_SECONDS,
    folder_here,
    keep_lease,
    name_of,
    open_shared,
    take_lease,
)
from controller.service.works import new_id
from controller.settings import Settings
from controller.source.place import find
from controller.store.folder import STATE_FOLDER, folder_of, is_shared, prepare, service_folder
from controller.store.leases import Lease
from controller.store.lock import StateLock, take
from controller.store.shelves import SqlStore
from controller.store.sqlite import open_store
from controller.workqueue.memory import MemoryQueue
from controller.workqueue.port import Queue

OWN_STATE: Final = Path(".local/state/ctl/serve")
"""Where files lie that belong to no config repository here, below the home."""


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

    async def hold(self, clock: Clock) -> None:
        """Keep the right to act, for ever; without a lease there is nothing to do.

        Raises:
            StateError: another process has taken it.
        """
        if self.lease is not None:
            await keep_lease(self.store, self.lease, clock)
        await asyncio.Event().wait()


async def stand(options: ServeOptions, settings: Settings, stack: AsyncExitStack) -> Ground:
    """Open the state that was asked for.

    Raises:
        UsageError: one process is to be a part of a controller, and the state cannot be shared.
        LockedError: somebody else acts on it.
        StateError: it cannot be used.
    """
    if options.state is not None and is_shared(options.state):
        return await _on_postgres(options.state, options, settings, stack)
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
    return service_folder(options.variables) or settings.person.home / OWN_STATE


async def _on_postgres(
    url: str, options: ServeOptions, settings: Settings, stack: AsyncExitStack
) -> Ground:
    store = await open_shared(url, clock=options.clock, stack=stack)
    from controller.workqueue.postgres import PostgresQueue

    name = name_of(url)
    queue = PostgresQueue(url)
    await queue.start()
    stack.push_async_callback(queue.close)
    lease = None
    if Part.WORKER in options.parts:
        patience = LEASE_SECONDS + RENEW_SECONDS
        lease = await take_lease(
            store, options.actor, name=name, clock=options.clock, patience=patience
        )
        stack.push_async_callback(store.leases.release, lease)
    return Ground(
        folder=folder_here(options.variables, settings.person.home),
        name=name,
        store=store,
        queue=queue,
        cluster=await identity(store, new_id),
        epoch=0 if lease is None else lease.epoch,
        lease=lease,
    )
