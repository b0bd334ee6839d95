"""Real agents renew at a real `ctl serve`, whoever dials, and are reached all the while, killed at any moment or not."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.pki import founding, handover, issuing, shelf
from controller.pki.role import Role
from tests.e2e.agents import AgentHost, Authority, agent_on, free_port
from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.pki.place import needs_openssl

pytestmark = [pytest.mark.real, pytest.mark.sweep, pytest.mark.timeout(600), needs_openssl]
NAME = "edge-1"
DAY = timedelta(days=1)


@pytest.fixture
def aged(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority whose agent has twenty days left of ninety."""
    folder = tmp_path_factory.mktemp("aged") / "authority"
    now = datetime.now(UTC)
    founding.found(folder, now=now - 100 * DAY, by="ops@host", organisation="Example")
    wish = issuing.Wish(name=NAME, role=Role.AGENT, days=90)
    one = issuing.issue(folder, wish, now=now - 70 * DAY, by="ops@host")
    (folder / "named").mkdir(mode=0o700)
    handover.hand_over(shelf.look(folder), one, source=folder, out=made(folder / "named" / NAME))
    return Authority(folder=folder)


def made(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def declare(fleet: Fleet, way: str) -> None:
    fleet.declare(
        f"tasks: {{a: {{run: 'true'}}}}\ntargets: {{t: {{servers: {NAME}, task: a}}}}\n",
        inventory__servers_yaml=f"servers: {{{NAME}: {way}}}\n",
    )


def certificates(authority: Authority) -> list[str]:
    return [one.certificate for one in shelf.look(authority.folder).of_name(NAME)]


def in_use(host: AgentHost) -> str:
    return (host.pki / f"{NAME}.crt").read_text()


def ran(served: Served) -> bool:
    """Whether work was done there."""
    return "succeeded" in {one["state"] for one in served.jobs()}


def settled(host: AgentHost) -> bool:
    return "the new certificate works" in host.log


@pytest.fixture
def pulled(fleet: Fleet, aged: Authority) -> Iterator[tuple[Served, AgentHost]]:
    """A controller with the authority, and an agent that dials it."""
    declare(fleet, "{pull: {}}")
    aged.issue("hub", "controller", "--san", "127.0.0.1")
    port = free_port()
    words = ("--agent-listen", f"127.0.0.1:{port}", "--pki", str(aged.folder))
    with serving(fleet, *words) as served:
        wait_for(lambda: "is in force" in served.text, seconds=30)
        with agent_on(fleet, aged, NAME, connect=port) as host:
            yield served, host


def test_an_agent_that_dials_renews_and_goes_on(
    pulled: tuple[Served, AgentHost], aged: Authority
) -> None:
    served, host = pulled
    before = in_use(host)
    wait_for(lambda: settled(host), seconds=60)
    old, new = certificates(aged)
    assert (before, in_use(host)) == (old, new)
    assert not [one for one in host.pki.iterdir() if one.name.endswith((".old", ".new"))]
    wait_for(lambda: ran(served), seconds=30)
    told = served.ctl("logs", "activity", "-n", "50").ended(0).out
    assert "renewal" in told
    assert NAME in told
    host.end()
    host.start()
    wait_for(lambda: "edge-1" in served.ctl("check", "server", NAME).ended(0).all, seconds=30)


def test_an_agent_that_listens_renews_at_the_controller_that_dials_it(
    fleet: Fleet, aged: Authority
) -> None:
    with agent_on(fleet, aged, NAME) as host:
        declare(fleet, f"{{address: 127.0.0.1, agent: {{port: {host.port}}}}}")
        before = in_use(host)
        with serving(fleet, "--pki", str(aged.folder)) as served:
            wait_for(lambda: ran(served), seconds=30)
            wait_for(lambda: "renewed the certificate" in host.log, seconds=60)
            assert in_use(host) == certificates(aged)[-1] != before
            served.ctl("check", "server", NAME).ended(0)
            wait_for(lambda: settled(host), seconds=30)


def test_a_controller_without_the_authority_says_so(fleet: Fleet, aged: Authority) -> None:
    declare(fleet, "{pull: {}}")
    aged.issue("hub", "controller", "--san", "127.0.0.1")
    port = free_port()
    pki = aged.folder / "named" / "hub"
    words = ("--agent-listen", f"127.0.0.1:{port}", "--pki", str(pki))
    with serving(fleet, *words) as served:
        wait_for(lambda: "is in force" in served.text, seconds=30)
        with agent_on(fleet, aged, NAME, connect=port) as host:
            wait_for(lambda: "refuses (no-authority)" in host.log, seconds=60)
            wait_for(lambda: ran(served), seconds=30)
            assert len(certificates(aged)) == 1
        assert "no-authority" in served.ctl("logs", "connectivity", "-n", "50").ended(0).out


def test_whoever_is_killed_while_it_renews_comes_back_with_a_good_pair(
    pulled: tuple[Served, AgentHost], aged: Authority
) -> None:
    served, host = pulled
    for turn in range(6):
        time.sleep(4.7 + turn / 10)  # it looks after five seconds
        host.end(signal.SIGKILL)
        host.start()
        served.ctl("check", "server", NAME).ended(0)
        assert in_use(host) in certificates(aged)
    assert len(certificates(aged)) <= 3
