"""Fleets: this machine alone, or with two real ssh servers that live as long as a worker of the tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.transport import loopback
from tests.e2e.agents import Authority, agent_on
from tests.e2e.fleet import Fleet, launched
from tests.fakes.sshd import Sshd, start_sshd


@pytest.fixture(scope="session")
def sshds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sshd]]:
    """Two OpenSSH servers."""
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    folder = tmp_path_factory.mktemp("sshds")
    made = {name: start_sshd(folder / name, name) for name in ("web-1", "web-2")}
    yield made
    for one in made.values():
        one.loopback.stop()


@pytest.fixture(scope="session")
def six(
    sshds: dict[str, Sshd], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Sshd]]:
    """Six OpenSSH servers: the two, and four more."""
    folder = tmp_path_factory.mktemp("six")
    more = {name: start_sshd(folder / name, name) for name in ("web-3", "web-4", "web-5", "web-6")}
    yield {**sshds, **more}
    for one in more.values():
        one.loopback.stop()


@pytest.fixture
def rack(tmp_path: Path, six: dict[str, Sshd]) -> Iterator[Fleet]:
    """This machine and six ssh servers `web-1` to `web-6`, in the group `fleet`."""
    with launched(tmp_path, six) as made:
        yield made


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """This machine as the server `here`."""
    with launched(tmp_path) as made:
        yield made


@pytest.fixture
def ships(tmp_path: Path, sshds: dict[str, Sshd]) -> Iterator[Fleet]:
    """The same with the ssh servers `web-1` and `web-2`, in the group `fleet`."""
    with launched(tmp_path, sshds) as made:
        yield made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all agents of a worker."""
    return Authority(folder=tmp_path_factory.mktemp("pki") / "authority").found()


@pytest.fixture(
    params=(
        pytest.param("local", marks=pytest.mark.sweep),
        "ssh",
        pytest.param("agent", marks=pytest.mark.sweep),
    )
)
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Fleet, str]]:
    """A fleet and one of its servers: this machine, then an ssh server, then one with an agent."""
    servers = request.getfixturevalue("sshds") if request.param == "ssh" else {}
    with ExitStack() as stack:
        made = stack.enter_context(launched(tmp_path, servers))
        if request.param == "agent":
            authority = request.getfixturevalue("authority")
            stack.enter_context(agent_on(made, authority, "app-1", "--workers", "4"))
        yield made, {"local": "here", "ssh": "web-1", "agent": "app-1"}[request.param]
