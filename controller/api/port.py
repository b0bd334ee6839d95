"""What the API needs of a serving controller.

The loop gives it (`reconcile/loop/serving.py`); every request goes through it. Nothing here opens servers by itself.
"""

from datetime import datetime
from typing import Protocol

from controller.clock import Clock
from controller.model.token import Actor
from controller.reconcile.loop.counts import Counts
from controller.reconcile.loop.generation import Generation, Invalid
from controller.reconcile.loop.keys import Key
from controller.reconcile.rooms import Rooms
from controller.store.ports import Store


class Serving(Protocol):
    """A controller that stays."""

    @property
    def store(self) -> Store:
        """Everything on the shelf."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def state(self) -> str:
        """Name the state, for people."""
        ...

    @property
    def version(self) -> str:
        """The version of the program."""
        ...

    @property
    def started_at(self) -> datetime:
        """Since when it serves."""
        ...

    @property
    def generation(self) -> Generation | None:
        """The declarations in force; None until the first were loaded."""
        ...

    @property
    def invalid(self) -> Invalid | None:
        """The newest declarations, where they were refused."""
        ...

    @property
    def counts(self) -> Counts:
        """What the loop of this process counts of itself."""
        ...

    def rooms(self, actor: Actor) -> Rooms:
        """Give everything the walk works with, on behalf of somebody; `LocalController(rooms)` is the facade."""
        ...

    async def hook_secret(self, repo: str) -> bytes | None:
        """Read the secret that signs the webhooks of a repo; None where there is none, or it cannot be read."""
        ...

    async def poke(self, key: Key, *, why: str, after: float = 0.0) -> None:
        """Have a key looked at now, or in some seconds; several wishes for one key are one."""
        ...

    def wake(self) -> None:
        """Have everything looked at, such as when what was held is let go."""
        ...

    async def wait_news(self, seconds: float) -> None:
        """Wait until something new was written here, so long at most."""
        ...
