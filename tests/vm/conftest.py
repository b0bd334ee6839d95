"""One virtual server for all tests here, as it was after its first boot for each file of them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, launched
from tests.vm.image import ImageError, build
from tests.vm.machine import Machine, running

PLAIN = "deploy"


@pytest.fixture(scope="session")
def powered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine, on."""
    try:
        image = build()
    except ImageError as error:
        if os.environ.get("CI"):
            raise  # there, what is not tried is not known to work
        pytest.skip(str(error))
    with running(image, tmp_path_factory.mktemp("vm")) as machine:
        yield machine


@pytest.fixture(scope="module")
def machine(powered: Machine) -> Machine:
    """The machine, knowing nothing of other files' tests."""
    powered.rewind()
    powered.run(
        f"useradd --create-home --shell /bin/bash {PLAIN}"
        f" && cp -r /root/.ssh /home/{PLAIN} && chown -R {PLAIN}: /home/{PLAIN}/.ssh"
    )
    return powered


@pytest.fixture
def site(machine: Machine, tmp_path: Path) -> Iterator[Fleet]:
    """A controller whose servers are the machine, by ssh: `vm` as root, `vm-plain` as a plain user."""
    with launched(tmp_path) as fleet:
        fleet.declare(inventory__servers_yaml=inventory(machine))
        yield fleet


def inventory(machine: Machine) -> str:
    """Write down how the machine is reached by ssh, as root and as a plain user."""
    users = {"vm": "root", "vm-plain": PLAIN}
    servers = "".join(
        f"  {name}:\n    address: 127.0.0.1\n    groups: [both]\n"
        f"    ssh: {{user: {user}, port: {machine.ports['ssh']}, key: login,"
        f' host_key: "{machine.image.host_key}"}}\n'
        for name, user in users.items()
    )
    return f"servers:\n{servers}secrets:\n  login: {{file: {machine.image.login}}}\n"
