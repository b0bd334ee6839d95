"""Scheduling over thirty simulated days: how late due times are fired by a controller that is up, and by one that is treated badly.

The clock is simulated, so the lag is what the controller adds by its own waiting and rounding; what each due time costs is real.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row
from tests.simulation.test_schedules import DAYS, Month

START = datetime(2026, 3, 15, 11, 30, tzinfo=UTC)
"""Before the day on which clocks are set forward."""
SCHEDULES = ("hourly", "nightly", "often")


def main(rounds: int = 1) -> list[Row]:
    """Measure both; `rounds` is how many bad months there are."""
    rows = [_row("in peace", rough=False, seed=1, height="≤ 1 s")]
    rows += [
        _row(f"killed, stopped and set, month {seed}", rough=True, seed=seed, height="")
        for seed in range(1, rounds + 1)
    ]
    return rows


def _row(name: str, *, rough: bool, seed: int, height: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        fired, lag, lives = asyncio.run(_live(Path(folder), seed, rough=rough))
        spent = (time.process_time() - began) / max(1, fired)
    seen = f"latest {lag:.3f} s late of {fired}, in {lives} lives; {spent * 1000:.0f} ms CPU each"
    return (f"schedules over {DAYS} days, {name}", seen, height)


async def _live(folder: Path, seed: int, *, rough: bool) -> tuple[int, float, int]:
    month = Month(folder, seed, START, rough=rough)
    await month.live()
    lag = await month.judge()
    rows = [row for name in SCHEDULES for row in await month.rows(name)]
    return sum(row.outcome == "fired" for row in rows), lag, month.lives
