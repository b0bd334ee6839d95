"""A key that is taken before declarations are in force comes back: in a shared queue nobody else may add it again for minutes."""

from pathlib import Path

import pytest

from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import After
from controller.reconcile.loop.table import TABLE
from tests.reconcile.loop.small_world import small_world
from tests.store.shelf import a_job, a_run, with_bodies

SOON_SECONDS = 60.0
RUN = a_run(1)


@pytest.mark.parametrize(
    "key",
    [
        Key(Kind.REPO, "app"),
        Key(Kind.SERVER, "web-1"),
        Key(Kind.TARGET, "shop"),
        Key(Kind.SCHEDULE, "shop"),
        Key(Kind.RUN, RUN.id),
        Key(Kind.OUTBOX),
    ],
    ids=str,
)
async def test_what_cannot_be_judged_yet_is_looked_at_again_soon(tmp_path: Path, key: Key) -> None:
    async with small_world(tmp_path / "house") as town:
        await town.world.rooms.store.runs.add(RUN, with_bodies(a_job(1, run=1)))
        result = await TABLE[key.kind](town.world, key.name)
    assert isinstance(result, After)
    assert result.seconds <= SOON_SECONDS
