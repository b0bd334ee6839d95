"""The right to act on a shared state: kept through a moment without the database, lost for good when somebody else has it."""

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import cast

import pytest

from controller.errors import StateAwayError, StateError
from controller.service.shared import AGAIN_SECONDS, RENEW_SECONDS, keep_lease
from controller.store.leases import Lease
from controller.store.shelves import SqlStore
from tests.fakes.clocks import FakeClock

LEASE = Lease(name="worker", owner="ctl@hub", epoch=1)


class Leases:
    """Answers as it is told, and counts."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = deque(answers)
        self.asked = 0

    async def renew(self, lease: Lease, seconds: float) -> bool:
        assert lease == LEASE
        assert seconds > RENEW_SECONDS
        self.asked += 1
        answer = self.answers.popleft() if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


def keep(leases: Leases, clock: FakeClock) -> "asyncio.Task[None]":
    store = cast("SqlStore", SimpleNamespace(leases=leases))
    return asyncio.create_task(keep_lease(store, LEASE, clock))


async def test_a_moment_without_the_database_is_outlived() -> None:
    away = StateAwayError("the database is away")
    leases, clock = Leases(True, away, away), FakeClock()
    keeping = keep(leases, clock)
    await clock.advance(2 * RENEW_SECONDS)
    assert leases.asked == 2
    await clock.advance(AGAIN_SECONDS)
    await clock.advance(AGAIN_SECONDS)
    assert leases.asked == 4
    await clock.advance(RENEW_SECONDS)
    assert leases.asked == 5
    assert not keeping.done()
    keeping.cancel()


async def test_what_somebody_else_has_taken_is_given_up() -> None:
    clock = FakeClock()
    keeping = keep(Leases(False), clock)
    await clock.advance(RENEW_SECONDS)
    with pytest.raises(StateError, match="another process has taken over"):
        await keeping
