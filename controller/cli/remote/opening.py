"""Opens the way to a serving controller for as long as a command lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.cli.port import Controller
from controller.cli.remote.client import Client
from controller.cli.remote.controller import RemoteController
from controller.cli.remote.way import Way
from controller.reconcile.requests import Listener


@asynccontextmanager
async def open_remote(way: Way, listener: Listener) -> AsyncIterator[Controller]:
    """Open it; leaving the context leaves everything over there as it is."""
    client = Client(way)
    try:
        yield RemoteController(client, listener)
    finally:
        await client.close()
