"""What the API needs of a serving controller.

The loop gives it (`reconcile/loop/serving.py`); every request goes through it. Nothing here opens servers by itself.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.clock import Clock
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.token import Actor
from controller.reconcile.rooms import Rooms
from controller.store.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Force:
    """The declarations in force: of which commit, since when."""

    declaration: Declaration
    commit: Sha | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The newest declarations, which are invalid: those before them stay in force."""

    commit: Sha | None
    at: datetime
    message: str
    diagnostics: tuple[Diagnostic, ...] = ()


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
    def instance(self) -> str:
        """Which process this is, as its parts are recorded."""
        ...

    @property
    def force(self) -> Force | None:
        """The declarations in force; None until the first were loaded."""
        ...

    async def refused(self) -> Refused | None:
        """Give the newest declarations when they are invalid."""
        ...

    def rooms(self, actor: Actor) -> Rooms:
        """Give everything the walk works with, on behalf of somebody; `LocalController(rooms)` is the facade."""
        ...

    def hook_secret(self, repo: str) -> bytes | None:
        """Read the secret that signs the webhooks of a repo; None where there is none, or it cannot be read."""
        ...

    async def poke(self, key: str, *, why: str, after: float = 0.0) -> None:
        """Have a key such as "repo/shop" looked at now, or in some seconds; several wishes for one key are one."""
        ...
