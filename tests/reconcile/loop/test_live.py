"""People's questions under `serve`: what works by hand works beside the loop, and nothing is done twice."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import LockedError, RefusedError
from controller.model.ids import JobId, RunId
from controller.model.job import Job, State
from controller.reconcile.exchange.requests import ApplyRequest, RunRequest
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.live import KEPT_SECONDS
from tests.reconcile.loop.estate import Estate, Land, estate

SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"
LAZY = "  shop: {task: deploy, servers: 'web-*', repo: app, on_commit: ignore}\n"
WAVES = (
    "  shop: {task: deploy, servers: 'web-*', repo: app, rollout: {batch: 1, max_failures: 2}}\n"
)


async def ready(here: Estate) -> None:
    """Wait until declarations are in force and everything was looked at."""
    await here.until(lambda: here.world.generation is not None)
    await here.quiet()


async def first(here: Estate, state: State) -> Job:
    """Wait until a job has a state."""
    found: list[Job] = []

    async def there() -> bool:
        found[:] = [job for job in await here.jobs() if job.state is state]
        return bool(found)

    await here.until(there)
    return found[0]


async def test_an_apply_is_recorded_driven_by_the_loop_and_reported(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(LAZY)
    async with estate(land) as here:
        await ready(here)
        request = ApplyRequest(confirm=lambda _: True, targets=("shop",))
        outcome = await here.controller.apply(request)
        assert outcome.report is not None
        assert outcome.report.summary.succeeded == 2
        assert outcome.report.run is not None
        assert outcome.report.run.actor == "ops"
        await here.quiet()
        assert Counter(land.worked) == {("shop", "web-1"): 1, ("shop", "web-2"): 1}


async def test_a_run_of_a_target_in_sync_runs_it_and_the_loop_does_not_run_it_again(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        report = await here.controller.run(RunRequest(target="shop"))
        assert report.summary.succeeded == 2
        await here.quiet()
        assert Counter(land.worked) == {("shop", "web-1"): 2, ("shop", "web-2"): 2}


async def test_waiting_for_a_run_ends_when_its_time_is_over_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, slow={"web-1": 1.5, "web-2": 1.5})
    land.declare(LAZY)
    async with estate(land) as here:
        await ready(here)
        request = ApplyRequest(confirm=lambda _: True, targets=("shop",), timeout=0.3)
        outcome = await here.controller.apply(request)
        assert outcome.report is not None
        assert outcome.report.waiting
        await here.applied("shop", "web-1", "web-2")


async def test_a_pair_that_is_at_work_is_not_begun_a_second_time_by_a_person(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, slow={"web-1": 1.5})
    land.declare(SHOP)
    async with estate(land) as here:
        await first(here, State.RUNNING)
        seen = await here.jobs()
        bodies = [await land.store.jobs.body(job.id) for job in seen]
        run = (await land.store.runs.list())[0]
        with pytest.raises(LockedError, match="is at work there"):
            await here.world.live.submit(
                replace(run, id="other"),  # type: ignore[arg-type]
                list(zip(seen, bodies, strict=True)),
            )
        await here.applied("shop", "web-1", "web-2")


async def test_a_pair_that_is_at_work_under_its_earlier_name_is_not_begun(tmp_path: Path) -> None:
    land = Land(tmp_path, slow={"web-1": 0.5})
    land.declare("  shop: {task: deploy, servers: web-1, repo: app}\n")
    async with estate(land) as here:
        job = await first(here, State.RUNNING)
        run = await land.store.runs.get(job.run)
        assert run is not None
        body = (await land.store.jobs.bodies([job.id]))[job.id]
        renamed = replace(job, id=JobId("job000000001"), target="store", state=State.PENDING)
        another = replace(run, id=RunId("run000000001"))
        with pytest.raises(LockedError, match="is at work there"):
            await here.world.live.submit(another, [(renamed, replace(body, was=("shop", "web-1")))])
        assert await land.store.runs.get(another.id) is None


async def test_a_job_that_runs_is_stopped_and_its_target_is_not_begun_again_at_once(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, slow={"web-1": 30.0, "web-2": 0.0})
    land.declare(SHOP)
    async with estate(land) as here:
        job = await first(here, State.RUNNING)
        await here.until(lambda: ("shop", "web-1") in land.worked)
        stopped = await here.controller.jobs.stop(job.id, grace=0.1)
        assert stopped.state is State.CANCELLED
        await here.quiet()
        land.slow = {}
        assert Counter(land.worked)["shop", "web-1"] == 1
        assert "ended cancelled" in (await here.said())["target/shop"].message
        land.clock.shift(61)
        await here.applied("shop", "web-1")
        await here.quiet()
        assert "target/shop" not in await here.said()


async def test_a_job_that_waits_for_its_wave_is_stopped_without_ever_beginning(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, slow={"web-1": 1.0})
    land.declare(WAVES)
    async with estate(land) as here:
        await first(here, State.RUNNING)
        waiting = next(job for job in await here.jobs() if job.server == "web-2")
        stopped = await here.controller.jobs.stop(waiting.id)
        assert stopped.state is State.CANCELLED
        assert stopped.reason == "stopped before it began"
        await here.applied("shop", "web-1")
        await here.quiet()
        assert ("shop", "web-2") not in land.worked


async def test_following_a_job_under_the_loop_sees_its_end(tmp_path: Path) -> None:
    land = Land(tmp_path, slow={"web-1": 0.5})
    land.declare(SHOP, servers="{web-1: {}}")
    async with estate(land) as here:
        job = await first(here, State.RUNNING)
        async with here.controller.jobs.attach(job) as attachment, asyncio.timeout(5):
            async for _ in attachment.output():
                pass
            assert attachment.job.state is State.SUCCEEDED


async def test_an_ended_job_is_retried_as_it_was(tmp_path: Path) -> None:
    land = Land(tmp_path, bad={"web-1"})
    land.declare(SHOP)
    async with estate(land) as here:
        job = await first(here, State.FAILED)
        await here.quiet()
        land.bad.clear()
        report = await here.controller.jobs.retry(job.id)
        assert report.summary.succeeded == 1
        await here.applied("shop", "web-1", "web-2")


async def test_a_rollout_that_was_halted_stays_so_until_a_person_goes_on_with_it(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, bad={"web-1"})
    land.declare(WAVES.replace("max_failures: 2", "max_failures: 0"))
    async with estate(land) as here:
        await here.ended(2)
        await here.quiet()
        for _ in range(3):
            land.clock.shift(3700)
            await here.quiet()
        assert land.worked == [("shop", "web-1")]
        run = (await land.store.runs.list())[0]
        assert run.halted
        land.bad.clear()
        request = ApplyRequest(confirm=lambda _: True, resume=run.id)
        outcome = await here.controller.apply(request)
        assert outcome.report is not None
        assert outcome.report.summary.succeeded == 2


async def test_a_state_that_another_marker_stands_on_is_looked_at_again(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        markers = land.fleet.machine("web-1").markers
        for key in list(markers):
            del markers[key]  # somebody was there
        sha = await here.push("2")
        await here.applied("shop", "web-2", commit=sha)

        async def stale() -> bool:
            return any(job.reason == "stale" for job in await here.jobs())

        await here.until(stale)
        await here.quiet()
        land.clock.shift(61)
        await here.applied("shop", "web-1", commit=sha)


async def test_records_of_a_clock_that_was_ahead_outweigh_no_look(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.clock.shift(-30 * 86400)
        land.fleet.machine("web-1").markers.clear()
        sha = await here.push("2")
        for _ in range(3):
            await here.quiet()
            land.clock.shift(61)
        await here.applied("shop", "web-1", "web-2", commit=sha)
        met = [job.server for job in await here.jobs() if job.reason == "stale"]
        assert sorted(met) == sorted(set(met))  # each server once, and then it is looked at


async def test_what_is_kept_of_a_pair_in_sync_changes_and_the_next_commit_is_carried_out(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        for server in ("web-1", "web-2"):
            await here.world.poke(Key(Kind.SERVER, server), why="a look after the jobs")
        await here.quiet()
        land.declare(SHOP.replace("repo: app", "repo: app, protect: true"))
        await here.look_at_config()
        await here.quiet()
        record = (await land.store.records.all())["shop", "web-1"]
        assert record.protect
        sha = await here.push("2")
        await here.applied("shop", "web-1", "web-2", commit=sha)
        assert not [job for job in await here.jobs() if job.state is State.SKIPPED]


async def test_a_refusal_of_what_never_ran_is_an_answer(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        ended = (await here.jobs())[0]
        with pytest.raises(RefusedError, match="has ended"):
            await here.controller.jobs.stop(ended.id)
        await here.world.add(Key(Kind.RUN, ended.run))
        await here.quiet()
        assert len(land.worked) == 2


async def test_of_runs_that_another_process_drives_nothing_is_kept(tmp_path: Path) -> None:
    land = Land(tmp_path)
    async with estate(land, begin=False) as here:
        live = here.world.live
        for number in range(100):
            await live.begin(RunId(f"run{number}"), b"input")
        bell = await live.begin(RunId("run1"))
        assert await live.begin(RunId("run1")) is bell
        assert list(live._passes) == ["run1"]
        land.clock.shift(KEPT_SECONDS + 1)
        await live.begin(RunId("later"), b"input")
        assert list(live._stdin) == ["later"]
