"""Rooms for tests of what an agent answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agent.answers_room import Room


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Room]:
    """Folders of an agent that is still to come."""
    made = Room(folder=tmp_path)
    yield made
    await made.clear()


@pytest.fixture
async def room(closed: Room) -> Room:
    """An agent with four workers."""
    await closed.open()
    return closed
