"""A controller that stays, as the API sees it.

Made by `service`. Whoever asks, asks through rooms of their own: the same walk, the same engine, under their name.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.clock import Clock
from controller.errors import SecretError
from controller.model.token import Actor
from controller.reconcile.controller import LocalController
from controller.reconcile.loop.counts import Counts
from controller.reconcile.loop.generation import Generation, Invalid
from controller.reconcile.loop.keys import Key
from controller.reconcile.loop.world import World
from controller.reconcile.rooms import Rooms
from controller.store.ports import Store

HOOK_SECONDS: Final = 10.0
"""So long a push waits at most for the secret it is signed with; reading it goes on, and the next push finds it."""
PROVED: Final = frozenset({"token", "certificate"})
"""What proves who somebody is."""


class LiveServing:
    """What the API talks to."""

    def __init__(self, world: World, *, version: str) -> None:
        self._world = world
        self._version = version
        self._started_at = world.rooms.clock.now()

    @property
    def store(self) -> Store:
        """Everything on the shelf."""
        return self._world.rooms.store

    @property
    def clock(self) -> Clock:
        """Time."""
        return self._world.rooms.clock

    @property
    def state(self) -> str:
        """Name the state, for people."""
        return self._world.rooms.state

    @property
    def version(self) -> str:
        """The version of the program."""
        return self._version

    @property
    def started_at(self) -> datetime:
        """Since when it serves."""
        return self._started_at

    @property
    def uptime(self) -> float:
        """For how many seconds it serves."""
        return (self.clock.now() - self._started_at).total_seconds()

    @property
    def generation(self) -> Generation | None:
        """The declarations in force; None until the first were loaded."""
        return self._world.generation

    @property
    def invalid(self) -> Invalid | None:
        """The newest declarations, where they were refused."""
        return self._world.invalid

    @property
    def counts(self) -> Counts:
        """What the loop of this process counts of itself."""
        return self._world.counts

    def rooms(self, actor: Actor) -> Rooms:
        """Give everything the walk works with, on behalf of somebody."""
        return replace(self._world.rooms, actor=actor.name, proved=actor.kind in PROVED)

    def controller(self, actor: Actor) -> LocalController:
        """Give a controller that acts on behalf of somebody."""
        return LocalController(self.rooms(actor))

    async def hook_secret(self, repo: str) -> bytes | None:
        """Read the secret that signs the webhooks of a repo; None where there is none, or it cannot be read in time."""
        generation = self._world.generation
        declared = None if generation is None else generation.declaration.repos.get(repo)
        if generation is None or declared is None or declared.webhook is None:
            return None
        keyring = generation.reach.keyring
        try:
            async with asyncio.timeout(HOOK_SECONDS):
                await keyring.gather([declared.webhook])
            return keyring.read(declared.webhook).reveal_bytes()
        except (SecretError, TimeoutError):
            return None

    async def poke(self, key: Key, *, why: str, after: float = 0.0) -> None:
        """Have a key looked at now; one wish that comes within so many seconds of another is heard when they are over."""
        await self._world.poke(key, why=why, after=after)

    def wake(self) -> None:
        """Have everything looked at, as when other declarations come into force; such as when what was held is let go."""
        self._world.changed.set()

    async def wait_news(self, seconds: float) -> None:
        """Wait until something new was written here, so long at most."""
        await self._world.news.wait(seconds)
