"""The way to a controller: the only place of `cli` that loads the composition root, and only when a verb needs it."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from controller.cli.context import OpenRequest
from controller.cli.port import Controller
from controller.cli.remote.way import Way
from controller.clock import Clock
from controller.reconcile.exchange.answers import Restored
from controller.service.options import Options, ServeOptions

YOUNG: Final = 20_000
"""New objects between two looks of the collector; Python's own 700 costs a large plan a third of its time."""


def open_controller(request: OpenRequest) -> AbstractAsyncContextManager[Controller]:
    """Open a controller: on this machine, or the way to one that serves elsewhere."""
    if request.way is not None:
        from controller.cli.remote.opening import open_remote

        if request.against:
            return open_against(request, request.way)
        return open_remote(request.way, request.listener)
    from controller.service.local import open as open_service

    tune_collector()
    return open_service(options_of(request))


@asynccontextmanager
async def open_against(request: OpenRequest, way: Way) -> AsyncIterator[Controller]:
    """Open a controller on the checkout here that plans against what the one that serves elsewhere knows."""
    from controller.cli.remote.opening import snapshot_of
    from controller.service import local

    tune_collector()
    async with local.open_against(options_of(request), await snapshot_of(way)) as controller:
        yield controller


def options_of(request: OpenRequest) -> Options:
    """Say what a command asks for in the words of the composition root."""
    return Options(
        directory=request.directory,
        state=request.state,
        actor=request.actor,
        write=request.write,
        bare=request.bare,
        known=request.known,
        papers=request.papers,
        parallel=request.parallel,
        progress=request.listener,
    )


def tune_collector() -> None:
    """Let the collector look rarely: what commands make is mostly kept and holds no cycles.

    The start leaves it off; from here on all is imported, and what is imported is never looked at again.
    """
    gc.set_threshold(YOUNG)
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


async def restore_state(source: Path, folder: Path, *, actor: str, clock: Clock) -> Restored:
    """Write a backup into a state folder that is not there yet, or empty; see `reconcile.backups.restore`."""
    from controller.service.local import restore

    return await restore(source, folder, actor=actor, clock=clock)


async def serve_forever(options: ServeOptions, *, say: Callable[[str], None]) -> int:
    """Serve until somebody asks this process to stop; give its exit code."""
    from controller.service.serving import serve

    tune_collector()
    return await serve(options, say=say)
