"""A controller for one command: opened on a folder, closed when the command is over.

Called by the faces; calls `works`. What has started on servers goes on after it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import NotFoundError
from controller.reconcile import backups
from controller.reconcile.controller import LocalController
from controller.reconcile.exchange.answers import Restored
from controller.reconcile.identity import identity
from controller.reconcile.snapshot import Snapshot, fill
from controller.service.options import Options
from controller.service.shared import acting, folder_here, name_of, open_shared
from controller.service.works import Works, new_id
from controller.settings import Settings, resolve
from controller.source.config import ConfigRepo
from controller.source.place import find
from controller.store.folder import DATABASE_FILE, STATE_FOLDER, folder_of, is_shared, prepare
from controller.store.lock import Saver, StateLock, take
from controller.store.memory import MemoryStore
from controller.store.sqlite import open_store

OWN_STATE: Final = Path(".local/state/ctl/by-hand")
"""Where a person's work is recorded that belongs to no config repository, below the home."""


@asynccontextmanager
async def open(options: Options) -> AsyncIterator[LocalController]:  # noqa: A001
    """Open a controller; leaving the context closes it, and what has started on servers goes on.

    Raises:
        NotFoundError: there is no config repository, or no state and none is to be made.
        LockedError: another command holds the state.
        StateError: the state cannot be used.
    """
    settings = resolve(options.variables, flags={})
    root, usual = places(options, settings)
    if options.state is not None and is_shared(options.state):
        async with _open_shared(options, options.state, settings, root) as controller:
            yield controller
        return
    named = folder_of(options.state) if options.state else usual
    if options.known and not (named / DATABASE_FILE).exists():
        raise NotFoundError(
            f"cannot find a state in {named}", hint="--state DIR, as it was served with"
        )
    folder = prepare(named)
    lock = StateLock(folder, clock=options.clock)
    async with AsyncExitStack() as stack:
        if options.write:
            stack.enter_context(await take(lock, options.actor, options.clock))
        store = open_store(folder, clock=options.clock)
        stack.push_async_callback(store.close)
        works = Works(
            options,
            settings,
            store,
            folder,
            stack,
            cluster=await identity(store, new_id),
        )
        saver = Saver(lock, options.actor, mine=options.write)
        yield LocalController(works.rooms(ConfigRepo(root), saver.saving))


@asynccontextmanager
async def _open_shared(
    options: Options, url: str, settings: Settings, root: Path
) -> AsyncIterator[LocalController]:
    """Open a controller on a state that processes share; whoever writes holds the lease of whoever acts."""
    clock, name = options.clock, name_of(url)
    async with AsyncExitStack() as stack:
        store = await open_shared(url, clock=clock, stack=stack)
        lease = None
        if options.write:
            lease = await stack.enter_async_context(
                acting(store, options.actor, name=name, clock=clock)
            )
        works = Works(
            options,
            settings,
            store,
            folder_here(options.variables, settings.person.home),
            stack,
            cluster=await identity(store, new_id),
            epoch=0 if lease is None else lease.epoch,
        )
        rooms = works.rooms(ConfigRepo(root), always if options.write else never)
        yield LocalController(replace(rooms, state=name))


@asynccontextmanager
async def open_against(options: Options, snapshot: Snapshot) -> AsyncIterator[LocalController]:
    """Open a controller on a checkout here that plans against what another one knows; it keeps nothing.

    Raises:
        NotFoundError: there is no config repository.
        StateError: the state folder of the checkout, where repos are mirrored, cannot be used.
    """
    settings = resolve(options.variables, flags={})
    root, usual = places(options, settings)
    async with AsyncExitStack() as stack:
        store = MemoryStore(options.clock)
        await fill(store, snapshot)
        works = Works(options, settings, store, prepare(usual), stack)
        rooms = works.rooms(ConfigRepo(root), never)
        yield LocalController(replace(rooms, state=snapshot.state))


@asynccontextmanager
async def always() -> AsyncIterator[bool]:
    """Say that everything may be kept: the state is ours."""
    yield True


@asynccontextmanager
async def never() -> AsyncIterator[bool]:
    """Say that nothing may be kept."""
    yield False


def places(options: Options, settings: Settings) -> tuple[Path, Path]:
    """Say where the config repository is, and where its state lies when nothing is said.

    Raises:
        NotFoundError: there is no config repository, and one is needed.
    """
    try:
        root = find(options.directory or Path.cwd())
    except NotFoundError:
        if not options.bare or options.directory is not None:
            raise
        own = settings.person.home / OWN_STATE
        return own, own
    return root, root / STATE_FOLDER


async def restore(source: Path, folder: Path, *, actor: str, clock: Clock) -> Restored:
    """Write a backup into a state folder that is not there yet, or empty, and hold it back; see `backups.restore`."""
    return await backups.restore(
        source,
        folder,
        clock=clock,
        open_store=lambda place: open_store(place, clock=clock),
        actor=actor,
    )
