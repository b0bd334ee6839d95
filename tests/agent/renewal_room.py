"""A room whose agent's certificate is near its end, and a controller that renews it, or lies about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from controller.agent.settings import Settings
from controller.agent.values import Address
from controller.clock import SystemClock
from controller.pki.entries import Issued
from controller.pki.role import Role
from controller.transport.agents.renewal import Renewal, Told
from controller.wire.messages.renewal import Renew, Renewed
from controller.wire.messages.server import Failed
from tests.agent.daemon_room import Room, give
from tests.pki.place import NOW, Place, founded

DAY = timedelta(days=1)
NAME = "web-1"
NAMES = ("DNS:www.example.com", "IP:10.0.0.5")


def aged_place(path: Path, *, left: float = 20) -> Place:
    """Found an authority whose agent has so many days left of ninety."""
    place = founded(path, now=NOW - 100 * DAY)
    age(place, NAME, left=left)
    for name, role in (("main", Role.CONTROLLER), ("ops", Role.ADMIN)):
        replace(place, now=NOW).issue(name, role)
    replace(place, now=NOW).issue("hub", Role.CONTROLLER, alternatives=("127.0.0.1",))
    return replace(place, now=NOW)


def age(place: Place, name: str, *, left: float = 20) -> Issued:
    """Issue a certificate of ninety days, so many of which are left."""
    past = replace(place, now=NOW - timedelta(days=90 - left))
    return past.issue(name, days=90, alternatives=NAMES)


def aged_room(path: Path, *, left: float = 20) -> Room:
    """Give an agent whose certificate has so many days left of ninety."""
    place = aged_place(path / "ca", left=left)
    pki = path / "pki"
    pki.mkdir(mode=0o700)
    give(place, pki, NAME)
    settings = Settings(
        listen=Address(host="127.0.0.1", port=0), pki=str(pki), state=str(path / "state")
    )
    return Room(path=path, place=place, settings=settings)


@dataclass
class Signer:
    """A controller's authority: answers as it should, or as a test says; remembers who asked."""

    place: Place
    told: list[Told] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    instead: Callable[[Renew], Renewed | Failed] | None = None
    after: Callable[[Renewed], None] | None = None
    gate: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.renewal = Renewal(
            self.place.path,
            clock=SystemClock(),
            declared=lambda name: name.startswith("web-"),
            tell=self.told.append,
        )

    async def __call__(self, name: str, certificate: bytes, asked: Renew) -> Renewed | Failed:
        self.asked.append(name)
        if self.gate is not None:
            await self.gate.wait()
        if self.instead is not None:
            return self.instead(asked)
        reply = await self.renewal(name, certificate, asked)
        if self.after is not None and isinstance(reply, Renewed):
            self.after(reply)
        return reply
