"""The ways on which the contract suite runs: this machine through several shells, a real sshd, and real agents."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controller.transport import loopback
from tests.fakes.agent_process import AgentProcess, make_agent
from tests.fakes.sshd import Sshd, start_sshd
from tests.transport.way import Way, agent_way, local_way, pull_way, ssh_way

SHELLS = ("dash", pytest.param("bash", marks=pytest.mark.sweep), "busybox")


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One OpenSSH server for all tests of a worker."""
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.loopback.stop()


@pytest.fixture(scope="session")
def agent() -> Iterator[AgentProcess]:
    """One agent that listens, for all tests of a worker."""
    made = make_agent("--workers=200")
    made.listen()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def dialling_agent() -> Iterator[AgentProcess]:
    """One agent that each test starts, to dial its own listener."""
    made = make_agent("--workers=200")
    yield made
    made.remove()


async def made(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Way]:
    """Make the way a test asks for."""
    kind = str(request.param)
    async with AsyncExitStack() as stack:
        if kind == "ssh":
            way = ssh_way(request.getfixturevalue("sshd"))
        elif kind == "agent":
            way = agent_way(request.getfixturevalue("agent"))
        elif kind == "pull":
            agent = request.getfixturevalue("dialling_agent")
            way = await stack.enter_async_context(pull_way(agent))
        else:
            if shutil.which(kind) is None:
                pytest.skip(f"no {kind} here")
            way = stack.enter_context(local_way(folder, kind))
        try:
            yield way
        finally:
            await way.close()


@pytest.fixture(params=("sh", "ssh", "agent"))
async def way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """This machine, a server over ssh, and an agent."""
    async for one in made(request, tmp_path):
        yield one


@pytest.fixture(params=("sh", "ssh"))
async def runner_way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """This machine, and a server over ssh: where the runner is."""
    async for one in made(request, tmp_path):
        yield one


@pytest.fixture(params=("ssh", *SHELLS))
async def every_runner_way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """A server over ssh, and this machine through every shell that may be `sh` somewhere."""
    async for one in made(request, tmp_path):
        yield one


@pytest.fixture(params=("ssh", "agent", pytest.param("pull", marks=pytest.mark.sweep), *SHELLS))
async def every_way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """A server over ssh, an agent that is dialled and one that dials, and this machine through every shell that may be `sh` somewhere."""
    async for one in made(request, tmp_path):
        yield one
