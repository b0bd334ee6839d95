"""A controller that serves, for one test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.api.settings import ApiSettings, Rate
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet, launched

PLENTY = Rate(second=10_000.0, burst=10_000)
QUICK = ApiSettings(
    per_token=PLENTY, per_address=PLENTY, failures=PLENTY, recheck_seconds=0.2, stop_seconds=1.0
)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A config repository, and this machine as the server `here`."""
    with launched(tmp_path) as made:
        yield made


@pytest.fixture
async def home(fleet: Fleet) -> AsyncIterator[House]:
    """A controller without bounds of how often it is asked."""
    async with house(fleet, QUICK) as made:
        yield made
