"""Fleets and an authority for scenes among other people's programs, which a test skips, with its reason, where they are missing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.agents import Authority
from tests.e2e.fleet import Fleet, launched


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """This machine as the server `here`."""
    with launched(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all agents of a worker."""
    return Authority(folder=tmp_path_factory.mktemp("pki") / "authority").found()


def program(name: str, package: str) -> str:
    """Find a program of Debian; skip the test without it, but where it is said that nothing may be missing."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {name} here: install {package}")
    return found
