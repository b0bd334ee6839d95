"""One virtual server for all tests here, as it was after its first boot for each file of them."""

import os
from collections.abc import Iterator

import pytest

from tests.vm.image import ImageError, build
from tests.vm.machine import Machine, running


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
    return powered
