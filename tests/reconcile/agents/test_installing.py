"""Installing an agent: who may, and what becomes of the certificate."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from controller.errors import NotFoundError, RefusedError
from controller.model.inventory import Server
from controller.pki import founding
from controller.pki.role import Role
from controller.reconcile.agents.certifying import SPARE, Desk, Papers
from controller.reconcile.agents.errands import errands_on
from controller.reconcile.exchange.installs import InstallError, NeedsRootError
from controller.reconcile.rooms import Rooms
from controller.transport.port import Facts, Probed, ProbeSpec, Session
from tests.pki.place import BY, NOW, Place, founded, request

SERVER = Server(name="web-1", address="192.0.2.1")
DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return founded(tmp_path / "pki")


async def papers(
    place: Place, has: str = "", *, anew: bool = False, openssl: bool = True
) -> Papers:
    desk = Desk(folder=place.path, now=place.now, by=BY, days=None)
    desk.check(SERVER)

    async def ask() -> bytes:
        return request()

    return await desk.papers(SERVER, has, ask if openssl else None, anew=anew)


async def test_a_good_certificate_is_kept_and_the_authorities_always_carried(place: Place) -> None:
    first = await papers(place)
    assert first.issued is not None
    assert (first.key, first.issued.key_travelled) == ("", False)
    again = await papers(place, first.certificate)
    assert (again.certificate, again.issued) == ("", None)
    assert again.authority == place.trust.read_text()
    assert (await papers(place, first.certificate, anew=True)).certificate != first.certificate


@pytest.mark.parametrize("why", ["near its end", "another one", "lost", "an older authority"])
async def test_a_certificate_that_is_not_good_for_long_is_replaced(place: Place, why: str) -> None:
    has = (await papers(place)).certificate
    if why == "near its end":
        place = replace(place, now=NOW + 397 * DAY - SPARE + timedelta(minutes=1))
    if why == "another one":
        has = place.issue("web-2").certificate
    if why == "lost":
        has = ""
    if why == "an older authority":
        founding.rotate(place.path, now=NOW, by=BY)
    assert (await papers(place, has)).issued is not None


async def test_the_address_is_a_name_of_the_certificate_too(place: Place) -> None:
    await papers(place)
    assert place.ledger.of_name("web-1")[0].alternatives == ("DNS:web-1", "IP:192.0.2.1")


async def test_without_openssl_the_key_comes_along(place: Place) -> None:
    made = await papers(place, openssl=False)
    assert made.key.startswith("-----BEGIN PRIVATE KEY-----")
    assert made.issued is not None
    assert made.issued.key_travelled


async def test_a_name_of_somebody_else_and_no_authority_are_refused_first(
    place: Place, tmp_path: Path
) -> None:
    place.issue("web-1", Role.CONTROLLER)
    with pytest.raises(RefusedError, match="as controller"):
        await papers(place)
    with pytest.raises(NotFoundError):
        await papers(Place(path=tmp_path / "none"))


@dataclass
class Told:
    """A session that knows only what opening tells, and one answer to a probe."""

    root: bool
    output: bytes = b""

    @property
    def facts(self) -> Facts:
        return Facts(boot_id="b", login="deploy", root=self.root, base="/var/lib/ctl")

    async def probe(self, _: ProbeSpec) -> Probed:
        return Probed(exit_code=0, output=self.output)


async def reach(told: Told) -> AsyncIterator[str]:
    lines: list[str] = []

    async def opened() -> Session:
        return cast("Session", told)

    rooms = cast("Rooms", type("Ids", (), {"ids": staticmethod(lambda: "0123456789ab")}))
    errands = await errands_on(rooms, SERVER, opened, b"", lines.append)
    yield errands.python


async def test_who_is_not_root_is_refused_with_the_remedy() -> None:
    with pytest.raises(NeedsRootError, match="the login deploy is not root") as told:
        await anext(reach(Told(root=False)))
    assert "sudo: true" in str(told.value.hint)
    assert told.value.reference == "needs-root"


@pytest.mark.parametrize(
    ("output", "words"), [(b"", "has no Python"), (b"old 3.6\n", "has Python 3.6, and")]
)
async def test_a_python_that_is_too_old_is_told(output: bytes, words: str) -> None:
    with pytest.raises(InstallError, match=words):
        await anext(reach(Told(root=True, output=output)))


async def test_the_first_good_python_is_taken() -> None:
    told = Told(root=True, output=b"old 3.6\n/opt/bin/python3.12\n/usr/bin/python3\n")
    assert await anext(reach(told)) == "/opt/bin/python3.12"
