"""Fleets for faults: this machine alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, launched


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """This machine as the server `here`."""
    with launched(tmp_path) as made:
        yield made
