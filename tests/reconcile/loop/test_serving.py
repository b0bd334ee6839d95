"""What the API asks of a controller that stays holds nobody else."""

import asyncio
from pathlib import Path

import pytest

from controller.reconcile.loop import serving
from controller.reconcile.loop.serving import LiveServing
from tests.reconcile.loop.small_world import small_world

DECLARED = """\
repos: {{app: {{url: "https://git.example.com/app.git", webhook: hook}}}}
secrets: {{hook: {{exec: [sh, -c, "sleep {0}; echo secret-of-the-hook"]}}}}
"""


async def test_the_secret_of_a_hook_is_read_beside_the_loop(tmp_path: Path) -> None:
    async with small_world(tmp_path / "house") as town:
        await town.declare(DECLARED.format(0.2))
        reading = asyncio.ensure_future(LiveServing(town.world, version="0").hook_secret("app"))
        await asyncio.sleep(0.05)
        assert not reading.done()
        assert await reading == b"secret-of-the-hook"


async def test_a_push_does_not_wait_for_a_secret_that_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HOOK_SECONDS", 0.1)
    async with small_world(tmp_path / "house") as town:
        await town.declare(DECLARED.format(0.5))
        served = LiveServing(town.world, version="0")
        assert await served.hook_secret("app") is None
        await asyncio.sleep(0.6)
        assert await served.hook_secret("app") == b"secret-of-the-hook"  # what was begun went on
        assert await served.hook_secret("other") is None
