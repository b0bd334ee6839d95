"""Things happen while the loop decides, and in the order that nobody wished for."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from controller.model.job import State
from controller.reconcile.exchange.requests import RunRequest
from controller.reconcile.loop import targets
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.world import World
from controller.reconcile.walk.seen import Seen
from tests.reconcile.loop.estate import Land, estate

TARGET = Key(Kind.TARGET, "shop")
SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"


def within_plans(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[World], Awaitable[None]]
) -> None:
    """Let something happen between the next plan of a target and what is made of it, once."""
    planned, left = targets.planned, [happens]

    async def then(world: World, generation: Generation, name: str) -> Seen | None:
        seen = await planned(world, generation, name)
        if left:
            await left.pop()(world)
        return seen

    monkeypatch.setattr(targets, "planned", then)


async def test_one_server_away_and_the_others_ended_the_target_decides_anew(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.fleet.lay_down("web-2")
        land.slow = {"web-1": 0.6}
        sha = await here.push("2")
        await here.until(lambda: len(land.worked) == 3)
        # web-3 comes while web-1 is at work: nothing of that makes what waits for web-2 pointless.
        land.declare(SHOP, servers="{web-1: {}, web-2: {}, web-3: {}}")
        await here.look_at_config()
        await here.applied("shop", "web-1", "web-3", commit=sha)


async def test_a_job_that_began_and_ended_within_a_plan_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()

        async def somebody_is_faster(_: World) -> None:
            await here.controller.run(RunRequest(target="shop"))

        within_plans(monkeypatch, somebody_is_faster)
        sha = await here.push("2")
        land.clock.shift(6)
        await here.applied("shop", "web-1", "web-2", commit=sha)
        await here.quiet()
        assert Counter(land.worked) == {("shop", "web-1"): 2, ("shop", "web-2"): 2}
        assert {job.state for job in await here.jobs()} == {State.SUCCEEDED}


async def test_a_target_suspended_within_a_plan_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()

        async def suspended(_: World) -> None:
            await here.controller.suspend("shop", reason="holiday")

        within_plans(monkeypatch, suspended)
        await here.push("2")
        land.clock.shift(6)
        await here.quiet()
        assert len(land.worked) == 2


async def test_declarations_that_came_within_a_plan_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()

        async def switched_off(_: World) -> None:
            land.declare(SHOP.replace("repo: app", "repo: app, suspended: {reason: audit}"))
            await here.look_at_config()

        within_plans(monkeypatch, switched_off)
        await here.push("2")
        land.clock.shift(6)
        await here.quiet()
        assert len(land.worked) == 2


async def test_a_target_renamed_while_its_job_runs_waits_for_it_and_does_it_not_again(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.slow = {"web-1": 1.5, "web-2": 1.5}
        sha = await here.push("2")
        land.clock.shift(6)
        await here.until(lambda: len(land.worked) == 4)
        land.declare(SHOP.replace("shop:", "store:").replace("repo: app", "repo: app, was: shop"))
        await here.look_at_config()
        report = await here.controller.run(RunRequest(target="store"))
        assert report.jobs == ()
        await here.applied("store", "web-1", "web-2", commit=sha)
        await here.quiet()
        assert set(await here.records()) == {("store", "web-1"), ("store", "web-2")}
        for machine in land.fleet.machines.values():
            assert set(machine.markers) == {("main", "store")}
    assert Counter(land.worked) == {("shop", "web-1"): 2, ("shop", "web-2"): 2}


async def test_a_pin_that_ends_within_a_plan_has_it_made_once_more_and_then_all_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        first = land.app.head
        sha = await here.push("2")
        land.clock.shift(6)
        await here.applied("shop", "web-1", "web-2", commit=sha)
        await here.quiet()
        until = land.clock.now() + timedelta(hours=1)
        await here.controller.rollback("shop", to=first, reason="errors", until=until)
        await here.world.add(TARGET)
        await here.applied("shop", "web-1", "web-2", commit=first)
        await here.quiet()
        planned, plans = targets.planned, []

        async def counted(world: World, generation: Generation, name: str) -> Seen | None:
            plans.append(name)
            return await planned(world, generation, name)

        monkeypatch.setattr(targets, "planned", counted)
        land.clock.shift(3601)
        await here.world.add(TARGET)
        await here.applied("shop", "web-1", "web-2", commit=sha)
        await here.quiet()
        assert (await land.store.standings.all()).pins == {}
        assert 1 < len(plans) < 10
