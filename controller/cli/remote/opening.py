"""Opens the way to a serving controller for as long as a command lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.cli.port import Controller
from controller.cli.remote.client import Client, mapping
from controller.cli.remote.controller import RemoteController
from controller.cli.remote.reading import read
from controller.cli.remote.way import Way
from controller.reconcile.exchange.progress import Listener
from controller.reconcile.snapshot import Snapshot


@asynccontextmanager
async def open_remote(way: Way, listener: Listener) -> AsyncIterator[Controller]:
    """Open it; leaving the context leaves everything over there as it is."""
    async with Client(way) as client:
        yield RemoteController(client, listener)


async def snapshot_of(way: Way) -> Snapshot:
    """Ask a controller for everything it knows that a plan is compared with."""
    async with Client(way) as client:
        return read(Snapshot, mapping(await client.get("/api/v1/state")))
