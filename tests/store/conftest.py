"""The three backends that every promise of the store is held against."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.clock import Clock
from controller.store import postgres as postgres_store, sqlite as sqlite_store
from controller.store.memory import MemoryStore
from controller.store.ports import Store
from tests.fakes.postgres import cluster, empty_postgres, postgres

__all__ = ["backend", "cluster", "empty_postgres", "postgres"]

Opens = Callable[[Clock], Store]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Open an empty store of each kind."""
    if request.param == "memory":
        return MemoryStore
    if request.param == "sqlite":
        return lambda clock: sqlite_store.open_store(tmp_path / ".ctl", clock=clock)
    url: str = request.getfixturevalue("postgres")
    return lambda clock: postgres_store.open_store(url, clock=clock)
