"""The whole loop: commits arrive, targets are decided, runs are driven, and nothing is lost or done twice."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from controller.model.job import Job, State, Trigger
from controller.reconcile.loop import targets
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.runs import AWAY_SECONDS
from controller.reconcile.loop.table import TABLE
from controller.reconcile.loop.world import World
from controller.reconcile.walk.seen import Seen
from tests.reconcile.loop.estate import Land, estate, nothing

SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"
WAVES = (
    "  shop: {task: deploy, servers: 'web-*', repo: app, rollout: {batch: 1, max_failures: 2}}\n"
)
REPO, TARGET = Key(Kind.REPO, "app"), Key(Kind.TARGET, "shop")


async def test_a_first_start_applies_what_is_declared_and_then_rests(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2", commit=land.app.head)
        await here.quiet()
        assert len(land.worked) == 2
        assert (await here.world.rooms.store.runs.list())[0].finished_at is not None
        assert land.board.occasions("target/shop") == ["started", "succeeded"]


async def test_a_commit_runs_at_once_on_the_markers_that_the_last_run_left(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        for content in ("2", "3"):
            sha = await here.push(content)
            land.clock.shift(6)
            await here.applied("shop", "web-1", "web-2", commit=sha)
        await here.quiet()
        assert Counter(land.worked) == {("shop", "web-1"): 3, ("shop", "web-2"): 3}
        assert {job.state for job in await here.jobs()} == {State.SUCCEEDED}


async def test_a_moment_without_a_server_makes_no_work_of_what_is_in_force_there(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    other = "  other: {task: deploy, servers: web-1}\n"
    land.declare("  shop: {task: deploy, servers: web-1, repo: app}\n" + other)
    async with estate(land) as here:
        await here.applied("shop", "web-1")
        await here.applied("other", "web-1")
        await here.quiet()
        land.clock.shift(1)
        await here.world.poke(Key(Kind.SERVER, "web-1"), why="test")
        await here.quiet()
        land.fleet.lay_down("web-1")
        await here.push("2")
        await here.quiet()
        seen = await land.store.observations.server("web-1")
        assert seen is not None
        assert not seen.reached
        await here.world.add(Key(Kind.TARGET, "other"))
        await here.quiet()
        assert [job.state for job in await here.jobs() if job.target == "other"] == [
            State.SUCCEEDED
        ]


async def test_a_run_that_waits_for_its_server_is_told_once_to_have_begun(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare("  shop: {task: deploy, servers: web-1, repo: app}\n")
    async with estate(land) as here:
        await here.applied("shop", "web-1")
        await here.quiet()
        land.fleet.lay_down("web-1")
        sha = await here.push("2")
        await here.quiet()
        for _ in range(3):
            land.clock.shift(AWAY_SECONDS + 1)
            await here.quiet()
        assert land.board.occasions("target/shop") == ["started", "succeeded", "started"]
        land.fleet.stand_up("web-1")
        land.clock.shift(AWAY_SECONDS + 1)
        await here.applied("shop", "web-1", commit=sha)
        await here.quiet()
        assert land.board.occasions("target/shop")[2:] == ["started", "succeeded"]


async def test_a_plan_within_which_a_job_ended_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Land(tmp_path, slow={"web-1": 0.3})
    land.declare("  shop: {task: deploy, servers: web-1, repo: app}\n")
    async with estate(land) as here:
        await here.applied("shop", "web-1")
        await here.quiet()
        planned, plans = targets.planned, []

        async def until_all_ended(world: World, generation: Generation, name: str) -> Seen | None:
            seen = await planned(world, generation, name)
            while await world.rooms.store.jobs.open():
                plans.append(name)
                await asyncio.sleep(0.01)
            return seen

        monkeypatch.setattr(targets, "planned", until_all_ended)
        sha = await here.push("2")
        land.clock.shift(6)
        await here.until(lambda: len(land.worked) == 2)
        await here.world.add(TARGET)
        await here.applied("shop", "web-1", commit=sha)
        await here.quiet()
        assert plans, "no job ended within a plan"
        assert [job.state for job in await here.jobs()] == [State.SUCCEEDED] * 2


async def test_a_plan_after_which_a_job_ended_before_it_was_acted_on_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Land(tmp_path, slow={"web-1": 0.3})
    land.declare("  shop: {task: deploy, servers: web-1, repo: app}\n")
    async with estate(land) as here:
        await here.applied("shop", "web-1")
        await here.quiet()
        withdraw, ended = targets.withdraw, []

        async def until_all_ended(world: World, seen: Seen, name: str, jobs: Sequence[Job]) -> None:
            await withdraw(world, seen, name, jobs)
            while await world.rooms.store.jobs.open():
                ended.append(name)
                await asyncio.sleep(0.01)

        monkeypatch.setattr(targets, "withdraw", until_all_ended)
        sha = await here.push("2")
        land.clock.shift(6)
        await here.until(lambda: len(land.worked) == 2)
        await here.world.add(TARGET)
        await here.applied("shop", "web-1", commit=sha)
        await here.quiet()
        assert ended, "no job ended after a plan"
        assert [job.state for job in await here.jobs()] == [State.SUCCEEDED] * 2


async def test_ten_pokes_make_one_run(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        looks = here.world.counts.reconciled["repo", "after"].count
        land.app.commit({"app.txt": "2"})
        for _ in range(10):
            await here.world.poke(REPO, why="webhook", after=5.0)
            await here.world.poke(TARGET, why="somebody")
        await here.applied("shop", "web-1", "web-2", commit=land.app.head)
        await here.quiet()
        assert len(await here.world.rooms.store.runs.list()) == 2
        land.clock.shift(6)
        await here.quiet()
        assert here.world.counts.reconciled["repo", "after"].count - looks <= 3


async def test_a_poke_outlives_the_process_that_took_it(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
    async with estate(land, begin=False) as here:
        await here.push("2")
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2", commit=land.app.head)


async def test_a_run_that_was_recorded_and_never_begun_is_driven_by_the_next_process(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land, table={**TABLE, Kind.RUN: nothing}) as here:

        async def recorded() -> bool:
            return len(await here.jobs()) == 2

        await here.until(recorded)
    assert not land.worked
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
    assert Counter(land.worked) == {("shop", "web-1"): 1, ("shop", "web-2"): 1}


async def test_a_process_killed_while_commands_run_starts_none_of_them_again(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.slow = {"web-1": 3.0, "web-2": 3.0}
    land.declare(SHOP)
    for _ in range(3):
        async with estate(land) as here:
            await here.until(lambda: len(land.worked) == 2)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
    assert Counter(land.worked) == {("shop", "web-1"): 1, ("shop", "web-2"): 1}
    assert [job.state for job in await here.jobs()] == [State.SUCCEEDED] * 2


async def test_a_new_commit_takes_the_place_of_what_waits_and_never_of_what_runs(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.slow = {"web-1": 2.0}
    land.declare(WAVES, servers="{web-1: {}, web-2: {}, web-3: {}}")
    async with estate(land) as here:
        await here.until(lambda: land.worked == [("shop", "web-1")])
        sha = await here.push("2")
        jobs = await here.ended(2)
        assert {job.state for job in jobs} == {State.SKIPPED}
        assert {job.reason for job in jobs} == {f"superseded by {sha[:12]}"}
        await here.applied("shop", "web-1", "web-2", "web-3", commit=sha)
        await here.quiet()
        first = (await here.jobs())[0]
        assert first.server == "web-1"
        assert first.state is State.SUCCEEDED
    assert Counter(land.worked) == {
        ("shop", "web-1"): 2,
        ("shop", "web-2"): 1,
        ("shop", "web-3"): 1,
    }


async def test_a_commit_that_changes_nothing_for_a_target_withdraws_nothing(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.slow = {"web-1": 1.0}
    land.app.commit({"src/a": "1"})
    land.declare(WAVES.replace("repo: app,", "repo: app, paths: ['src/**'],"))
    async with estate(land) as here:
        await here.until(lambda: land.worked == [("shop", "web-1")])
        await here.push("readme only")
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        assert [job.state for job in await here.jobs()] == [State.SUCCEEDED] * 2


async def test_a_server_that_is_away_holds_nobody_up_and_gets_its_job_when_it_is_back(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.fleet.lay_down("web-2")
        sha = await here.push("2")
        await here.applied("shop", "web-1", commit=sha)
        await here.quiet()
        left = (await here.jobs())[-1]
        assert (left.server, left.state, left.reason) == ("web-2", State.PENDING, "Unreachable")
        assert here.world.counts.busy == 0
        land.fleet.stand_up("web-2")
        await here.world.poke(Key(Kind.SERVER, "web-2"), why="test")
        await here.applied("shop", "web-2", commit=sha)
        await here.quiet()
        assert (await here.jobs())[-1].state is State.SUCCEEDED
        run = (await here.world.rooms.store.runs.list())[0]
        assert run.finished_at is not None


async def test_what_waits_for_an_away_server_is_superseded_by_the_next_commit(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.fleet.lay_down("web-2")
        await here.applied("shop", "web-1", commit=await here.push("2"))
        await here.quiet()
        land.clock.shift(6)
        sha = await here.push("3")
        await here.applied("shop", "web-1", commit=sha)
        await here.quiet()
        skipped = [job for job in await here.jobs() if job.state is State.SKIPPED]
        assert [job.reason for job in skipped] == [f"superseded by {sha[:12]}"]
        land.fleet.stand_up("web-2")
        await here.world.poke(Key(Kind.SERVER, "web-2"), why="test")
        await here.applied("shop", "web-2", commit=sha)
    assert Counter(land.worked)["shop", "web-2"] == 2


async def test_what_failed_is_not_tried_again_before_an_input_changes(tmp_path: Path) -> None:
    land = Land(tmp_path, bad={"web-1"})
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-2")
        await here.quiet()
        land.clock.shift(400)
        await here.quiet()
        assert Counter(land.worked)["shop", "web-1"] == 1
        assert "failed" in land.board.occasions("target/shop")
        land.bad.clear()
        await here.applied("shop", "web-1", "web-2", commit=await here.push("2"))
        await here.until(lambda: ("target/shop", "failed") in land.board.ended)


async def test_a_target_that_comes_after_waits_until_the_one_before_is_in_force(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, slow={"web-1": 0.5, "web-2": 0.5})
    land.declare(
        "  api: {task: deploy, servers: web-1, repo: app, after: [db]}\n"
        "  db: {task: deploy, servers: web-2, repo: app}\n"
    )
    async with estate(land) as here:
        for content in ("2", "3"):
            await here.applied("api", "web-1", commit=land.app.head)
            await here.quiet()
            land.clock.shift(6)
            await here.push(content)
        await here.applied("api", "web-1", commit=land.app.head)
        assert [target for target, _ in land.worked] == ["db", "api"] * 3


async def test_a_target_waits_for_ever_for_one_before_it_that_failed(tmp_path: Path) -> None:
    land = Land(tmp_path, bad={"web-2"})
    land.declare(
        "  api: {task: deploy, servers: web-1, repo: app, after: [db]}\n"
        "  db: {task: deploy, servers: web-2, repo: app}\n"
    )
    async with estate(land) as here:
        await here.until(lambda: land.worked == [("db", "web-2")])
        await here.quiet()
        land.clock.shift(400)
        await here.quiet()
        assert land.worked == [("db", "web-2")]


async def test_jobs_of_several_targets_have_a_server_one_after_the_other_the_urgent_first(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path, slow={"web-1": 0.3})
    land.declare(
        "  a: {task: deploy, servers: web-1, repo: app}\n"
        "  b: {task: deploy, servers: web-1, repo: app, priority: 5}\n"
        "  c: {task: deploy, servers: web-1, repo: app, priority: 9}\n",
        servers="{web-1: {}}",
    )
    async with estate(land) as here:
        await here.applied("a", "web-1")
        await here.applied("b", "web-1")
        await here.applied("c", "web-1")
        land.worked.clear()
        await here.quiet()
        await here.push("2")
        for target in ("a", "b", "c"):
            await here.applied(target, "web-1", commit=land.app.head)
        order = [target for target, _ in land.worked]
        assert sorted(order) == ["a", "b", "c"]
        assert order[1:] == sorted(order[1:], key="cba".index)
        ends = [job for job in await here.jobs() if job.commit == land.app.head]
        spans = sorted(
            (job.started_at, job.finished_at)
            for job in ends
            if job.started_at is not None and job.finished_at is not None
        )
        assert len(spans) == 3
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))


async def test_a_removed_target_is_forgotten_and_an_empty_declaration_removes_nothing(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP + "  other: {task: deploy, servers: web-1, repo: app}\n")
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.applied("other", "web-1")
        await here.quiet()
        land.declare(SHOP)
        await here.look_at_config()

        async def gone() -> bool:
            return ("other", "web-1") not in await here.records()

        await here.until(gone)
        assert "other" not in {target for _, target in land.fleet.machine("web-1").markers}
        await here.quiet()
        land.config.commit({"pipelines/main.yaml": ""})
        await here.look_at_config()
        await here.quiet()
        assert {server for _, server in await here.records()} == {"web-1", "web-2"}
        assert "no targets are declared" in (await here.said())["target/shop"].message


async def test_every_job_says_which_commits_it_is_of_and_why(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        for job in await here.jobs():
            assert job.commit == land.app.head
            assert job.config_commit == land.config.head
            assert job.trigger is Trigger.INPUTS
            assert job.cause
