"""Both queues, for the promises that both keep."""

from collections.abc import AsyncIterator

import pytest

from controller.clock import SystemClock
from controller.workqueue.memory import MemoryQueue
from controller.workqueue.port import Queue
from controller.workqueue.postgres import PostgresQueue
from tests.fakes.postgres import cluster, empty_postgres, postgres

__all__ = ["cluster", "empty_postgres", "postgres", "queue"]


@pytest.fixture(params=["memory", "postgres"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    """An empty queue of each kind, by the machine's clock."""
    made: MemoryQueue | PostgresQueue
    if request.param == "memory":
        made = MemoryQueue(SystemClock())
    else:
        made = PostgresQueue(request.getfixturevalue("postgres"))
        await made.start()
    yield made
    await made.close()
