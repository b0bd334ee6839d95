"""A state on PostgreSQL, shared by processes and machines: its store, its folder, and the one lease of whoever acts.

Called by `local` for a command and by `ground` for a controller that stays. What is no row (logs, output, mirrors) lies in a folder of
this machine. psycopg is loaded only here and below, and only for such a state.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import LockedError, StateAwayError, StateError, UsageError
from controller.service.works import new_id
from controller.store.folder import prepare, shared_folder
from controller.store.leases import Lease
from controller.store.shelves import SqlStore

LOG: Final = logging.getLogger(__name__)
ACTING: Final = "worker"
"""The lease of whoever does the work."""
LEASE_SECONDS: Final = 30.0
RENEW_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 2.0


async def open_shared(url: str, *, clock: Clock, stack: AsyncExitStack) -> SqlStore:
    """Open the store of a shared state; it is closed with the stack.

    Raises:
        UsageError: the URL cannot be read, or what speaks to PostgreSQL is not installed.
        StateError: the database is out of reach or cannot be used.
    """
    try:
        from controller.store.postgres import open_store
    except ModuleNotFoundError as error:
        raise UsageError(
            "cannot speak to PostgreSQL: psycopg is not installed",
            hint="pip install 'tillerman[postgres]'",
        ) from error
    store = await asyncio.to_thread(open_store, url, clock=clock)
    stack.push_async_callback(store.close)
    return store


def name_of(url: str) -> str:
    """Name a shared state for people: its URL without the password."""
    from controller.store.postgres_connection import name_of as name

    return name(url)


def folder_here(variables: Mapping[str, str], home: Path) -> Path:
    """Make the folder of this machine for what is no row.

    Raises:
        StateError: it cannot be used.
    """
    return prepare(shared_folder(variables, home))


async def take_lease(
    store: SqlStore, actor: str, *, name: str, clock: Clock, patience: float
) -> Lease:
    """Take the lease of whoever acts, and write from now on only while it is ours.

    Args:
        store: of the shared state.
        actor: who acts, as user@host.
        name: the state, for people.
        clock: for waiting.
        patience: seconds to wait for one that another process holds; it runs out after `LEASE_SECONDS` when that one died.

    Raises:
        LockedError: another process keeps it.
    """
    owner = f"{actor} (pid {os.getpid()}) {new_id()}"
    lease = await store.leases.acquire(ACTING, owner, LEASE_SECONDS)
    if lease is None and patience:
        LOG.info("another process acts on %s; waiting until it has ended", name)
    while lease is None and patience > 0:
        await clock.sleep(1.0)
        patience -= 1.0
        lease = await store.leases.acquire(ACTING, owner, LEASE_SECONDS)
    if lease is None:
        held = await store.leases.holder(ACTING)
        who = "another process" if held is None else held.owner.rpartition(" ")[0]
        raise LockedError(
            f"cannot act on this state: {who} does",
            hint="wait until it has ended; reading commands work meanwhile",
        )
    store.fence(lease)
    return lease


async def keep_lease(store: SqlStore, lease: Lease, clock: Clock) -> None:
    """Keep a lease, for ever; a database that is away for a moment is asked again, before the lease runs out.

    Raises:
        StateError: another process has taken it.
    """
    pause = RENEW_SECONDS
    while True:
        await clock.sleep(pause)
        try:
            kept = await store.leases.renew(lease, LEASE_SECONDS)
        except StateAwayError as error:
            LOG.warning("cannot keep the right to act on the state yet: %s", error)
            pause = AGAIN_SECONDS
            continue
        pause = RENEW_SECONDS
        if not kept:
            raise StateError(
                "another process has taken over the work of this state",
                hint="this one fell silent for too long; it begins anew",
            )


@asynccontextmanager
async def acting(store: SqlStore, actor: str, *, name: str, clock: Clock) -> AsyncIterator[Lease]:
    """Hold the lease for as long as a command lasts.

    Raises:
        LockedError: another process holds it.
    """
    lease = await take_lease(store, actor, name=name, clock=clock, patience=0)
    keeping = asyncio.create_task(keep_lease(store, lease, clock))
    try:
        yield lease
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await store.leases.release(lease)
