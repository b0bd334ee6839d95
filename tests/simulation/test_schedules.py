"""A month of schedules over restarts, kills, stopped processes and clocks that are set: each due time once, and in time."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from controller.model.job import Trigger
from controller.model.serving import Due
from tests.simulation.quiet import AtOnce, QuietClock, settle
from tests.simulation.simworld import AtStart, Being, Land, be_born, die

DAYS = 30
BERLIN = ZoneInfo("Europe/Berlin")
GAP, OVERLAP = date(2026, 3, 29), date(2026, 10, 25)
DECLARED = {
    "ctl.yaml": "settings: {config: {interval: 1d}}\n",
    "inventory/servers.yaml": "servers: {web-1: {}, web-2: {}, web-3: {}}\n",
    "pipelines/main.yaml": (
        "tasks: {note: {run: note}}\n"
        "targets:\n"
        "  hourly: {task: note, servers: web-1, schedule: {cron: '0 * * * *', timezone: UTC}}\n"
        "  nightly: {task: note, servers: web-2, schedule: {cron: '30 2 * * *', timezone: Europe/Berlin}}\n"
        "  often: {task: note, servers: web-3, schedule: {every: 6h}}\n"
    ),
}
KILLED, CRASHED, STOPPED, SET = 0.1, 0.15, 0.1, 0.1
"""How often something happens."""
SLICE = 30.0
"""Seconds after which it is noticed at the latest that a controller has died."""
LAG_SECONDS = 1.0
"""How late a due time may be fired by a controller that is up, with a clock that nobody sets."""


def expected(name: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """List due times by other means than the controller does."""
    day = start.date() - timedelta(days=1)
    while day <= end.date() + timedelta(days=1):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if name == "nightly":
            local = datetime(day.year, day.month, day.day, 2, 30, tzinfo=BERLIN)  # the first of two
            if day == GAP:  # there is no half past two
                local = datetime(day.year, day.month, day.day, 3, 0, tzinfo=BERLIN)
            yield local.astimezone(UTC)
        else:
            step = 1 if name == "hourly" else 6
            yield from (midnight + timedelta(hours=hour) for hour in range(0, 24, step))
        day += timedelta(days=1)


class Month:
    """A controller that is treated badly for a month."""

    being: Being

    def __init__(self, folder: Path, seed: int, start: datetime, *, rough: bool) -> None:
        self.rng = Random(seed)  # noqa: S311 - a month is to be lived again
        self.land = Land(folder, self.rng, QuietClock(start))
        self.rough = rough
        self.start = start
        self.latest = start
        """The latest moment that the clock on the wall ever showed while a controller looked at it."""
        self.lives = 0
        self.set = 0

    async def live(self) -> None:
        """Live through it."""
        asyncio.get_running_loop().set_default_executor(AtOnce())
        self.land.app.commit()
        self.land.config.commit(DECLARED)
        self.being = await self._begin()
        await self._wait(60.0)
        while self.land.clock.passed < DAYS * 86_400:
            if self.rough:
                await self._suffer()
            await self._wait(self.rng.choice((10.0, 900.0, 3600.0, 3600.0, 20_000.0)))
        await self._rise(0.0)
        await self._wait(7200.0)  # longer than any clock was set back
        await die(self.land, self.being)

    async def _suffer(self) -> None:
        """Let something happen to the controller, or nothing."""
        rng, being, drawn = self.rng, self.being, self.rng.random()
        if being.life.over:
            await self._rise(rng.choice((0.0, 5.0, 3000.0, 40_000.0)))
        elif drawn < KILLED:
            being.life.over = True
        elif drawn < KILLED + CRASHED:
            being.life.end_at(rng.randint(1, 60), after=rng.random() < 0.5)
        elif drawn < KILLED + CRASHED + STOPPED:
            self.land.clock.stand_still(rng.choice((30.0, 4000.0)))
        elif drawn < KILLED + CRASHED + STOPPED + SET:
            self.set += 1
            self.land.clock.set_by(rng.choice((-7000.0, -61.0, -1.0, 1.0, 61.0, 7000.0)))

    async def _rise(self, seconds: float) -> None:
        """Begin another life after a while, where this one is over."""
        if self.being.life.over:
            await die(self.land, self.being)
            await self.land.clock.advance(seconds)
            self.being = await self._begin()

    async def _begin(self) -> Being:
        self.lives += 1
        made = await be_born(self.land, AtStart)
        await settle()
        return made

    async def _wait(self, seconds: float) -> None:
        while seconds > 0 and not self.being.life.over:
            await self.land.clock.advance(min(seconds, SLICE))
            seconds -= SLICE
            self.latest = max(self.latest, self.land.clock.now())

    async def rows(self, name: str) -> list[Due]:
        return sorted(await self.land.store.dues.list(name, limit=100_000), key=lambda one: one.due)

    async def judge(self) -> float:
        """Hold every due time to its promise; give how late the latest was fired, in seconds."""
        jobs = await self.land.store.jobs.list(limit=100_000)
        lag = 0.0
        for name in ("hourly", "nightly", "often"):
            rows = await self.rows(name)
            seen = [row.due for row in rows]
            assert len(seen) == len(set(seen)), f"{name}: a due time has two rows"
            first = self.start + timedelta(seconds=5)
            wanted = {at for at in expected(name, self.start, self.latest) if at > first}
            late = {at for at in wanted if at > self.latest - timedelta(hours=4)}
            missing = {at for at in wanted if at <= self.latest} - set(seen)
            assert not missing - late, f"{name}: nothing became of {sorted(missing)[:5]}"
            assert not set(seen) - wanted, f"{name}: not due: {sorted(set(seen) - wanted)[:5]}"
            fired = {row.run for row in rows if row.outcome == "fired"}
            runs = Counter(job.run for job in jobs if job.target == name)
            assert set(runs) == fired, f"{name}: {set(runs) ^ fired}"
            assert set(runs.values()) == {1}, f"{name}: a due time has two jobs"
            assert {job.trigger for job in jobs if job.target == name} == {Trigger.SCHEDULE}
            lags = [(row.at - row.due).total_seconds() for row in rows if row.outcome == "fired"]
            lag = max(lag, *lags)
        starts = self.land.fleet.starts
        assert not starts or max(starts.values()) == 1
        assert {job.id for job in jobs if job.state == "succeeded"} >= {
            one.split(".")[0] for one in starts
        }
        return lag


@pytest.mark.sweep
@pytest.mark.parametrize(
    "start", [datetime(2026, 3, 15, 11, 30, tzinfo=UTC), datetime(2026, 10, 11, 11, 30, tzinfo=UTC)]
)
@pytest.mark.timeout(300)
async def test_in_peace_each_due_time_of_a_month_is_fired_once_and_in_time(
    tmp_path: Path, start: datetime
) -> None:
    month = Month(tmp_path, 1, start, rough=False)
    await month.live()
    lag = await month.judge()
    print(f"\n{DAYS} days in peace: the latest was {lag:.3f} s late")  # noqa: T201 - a figure
    assert lag <= LAG_SECONDS
    assert {row.outcome for row in await month.rows("hourly")} == {"fired"}


@pytest.mark.sweep  # each run tries it in small worlds: `test_driver`, and `test_schedules` of the loop
@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.timeout(600)
async def test_a_month_of_kills_and_clocks_that_are_set_fires_each_due_time_once(
    tmp_path: Path, seed: int
) -> None:
    start = datetime(2026, 3 if seed % 2 else 10, 12, 11, 30, tzinfo=UTC)
    month = Month(tmp_path, seed, start, rough=True)
    await month.live()
    lag = await month.judge()
    outcomes: Counter[str] = Counter()
    for name in ("hourly", "nightly", "often"):
        outcomes.update(row.outcome for row in await month.rows(name))
    print(  # noqa: T201 - figures
        f"\nseed {seed}: {month.lives} lives, {month.set} times set, {dict(outcomes)}, "
        f"the latest {lag / 3600:.1f} h late"
    )
    assert month.lives > 20
    assert outcomes["fired"] > 50
    assert outcomes["missed"] > 10
