"""The ways on which the contract suite runs: this machine through several shells, and a real sshd."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.transport import loopback
from tests.fakes.sshd import Sshd, start_sshd
from tests.transport.way import Way, local_way, ssh_way

SHELLS = ("dash", "bash", "busybox")


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One OpenSSH server for all tests of a worker."""
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.loopback.stop()


async def made(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Way]:
    """Make the way a test asks for."""
    kind = str(request.param)
    with ExitStack() as stack:
        if kind == "ssh":
            way = ssh_way(request.getfixturevalue("sshd"))
        else:
            if shutil.which(kind) is None:
                pytest.skip(f"no {kind} here")
            way = stack.enter_context(local_way(folder, kind))
        try:
            yield way
        finally:
            await way.close()


@pytest.fixture(params=("sh", "ssh"))
async def way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """This machine, and a server over ssh."""
    async for one in made(request, tmp_path):
        yield one


@pytest.fixture(params=("ssh", *SHELLS))
async def every_way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """A server over ssh, and this machine through every shell that may be `sh` somewhere."""
    async for one in made(request, tmp_path):
        yield one
