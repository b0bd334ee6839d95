"""Ways to servers under `serve`: kept while nothing about them changes, closed when nobody is on them any more."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from controller.errors import SecretError, TransportError
from controller.model.declaration import Declaration, Target
from controller.model.ids import Sha
from controller.model.inventory import Inventory, Server
from controller.model.revision import Revision
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.generation import Generation
from controller.reconcile.rooms import Reach
from controller.reconcile.walk.seen import Seen
from controller.secrets.keyring import Keyring
from controller.secrets.masker import ValueMasker
from controller.transport.port import Session
from tests.fakes.fleet import SimulatedFleet
from tests.fakes.jumping_clock import JumpingClock

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEB = Server(name="web-1", address="web-1")


@dataclass
class Way:
    """A dialer that says whether it was closed."""

    fleet: SimulatedFleet = field(default_factory=lambda: SimulatedFleet(JumpingClock()))
    closed: bool = False

    async def open(self, server: Server) -> Session:
        assert not self.closed
        return await self.fleet.open(server)

    async def fresh(self, server: Server) -> Session:
        return await self.open(server)

    async def close(self) -> None:
        self.closed = True


def closed(way: Way) -> bool:
    return way.closed


def generation(way: Way, *servers: Server, targets: str = "") -> Generation:
    declaration = Declaration(
        inventory=Inventory(servers={server.name: server for server in servers}),
        targets={name: Target(name=name, task="t", servers="all") for name in targets},
    )
    keyring = Keyring({}, environment={}, home=None, masker=ValueMasker())  # type: ignore[arg-type]
    seen = Seen(declaration=declaration, reach=Reach(keyring=keyring, dialer=way))
    revision = Revision(
        sha=Sha("a" * 40),
        branch="main",
        author="A",
        email="a@example.com",
        committed_at=NOW,
        subject="s",
        message="s",
    )
    return Generation(seen=seen, revision=revision, at=NOW)


async def test_a_way_stays_open_where_only_targets_changed() -> None:
    force, old, new = InForce(), Way(), Way()
    await force.change(generation(old, WEB))
    await force.change(generation(new, WEB, targets="x"))
    assert not old.closed
    await (await force.dialer.open(WEB)).close()
    assert old.fleet.machines
    assert not new.fleet.machines


async def test_a_way_that_is_no_longer_in_force_closes_with_its_last_session() -> None:
    force, old, new = InForce(), Way(), Way()
    await force.change(generation(old, WEB))
    first, second = await force.dialer.open(WEB), await force.dialer.fresh(WEB)
    await force.change(generation(new, replace(WEB, address="elsewhere")))
    assert not old.closed
    await first.close()
    await first.close()
    assert not old.closed
    await second.close()
    assert closed(old)
    await (await force.dialer.open(WEB)).close()
    assert new.fleet.machines
    await force.close()
    assert new.closed


async def test_an_unused_way_closes_at_once() -> None:
    force, old = InForce(), Way()
    await force.change(generation(old, WEB))
    await force.change(generation(Way()))
    assert old.closed


async def test_before_the_first_declarations_nothing_is_reached_or_read() -> None:
    force = InForce()
    with pytest.raises(TransportError, match="no declarations are in force"):
        await force.dialer.open(WEB)
    with pytest.raises(SecretError, match="no declarations are in force"):
        force.secret("token")
    assert force.loaded() is None
    await force.close()
