"""One virtual server for all tests here, as it was after its first boot for each file of them."""

import os
from collections.abc import Iterator, Mapping

import pytest

from tests.vm.image import ImageError, build
from tests.vm.machine import Machine, running

PLAIN = "deploy"
"""A user of the machine who is nobody special, and can log in."""


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


def inventory(machine: Machine, users: Mapping[str, str]) -> str:
    """Write down servers that all are the machine, by ssh as different users."""
    servers = "".join(
        f"  {name}:\n    address: 127.0.0.1\n    groups: [both]\n"
        f"    ssh: {{user: {user}, port: {machine.ports['ssh']}, key: login,"
        f' host_key: "{machine.image.host_key}"}}\n'
        for name, user in users.items()
    )
    return f"servers:\n{servers}secrets:\n  login: {{file: {machine.image.login}}}\n"
