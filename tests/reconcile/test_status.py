"""One screen: each target in a word, under the names of today, without opening a server."""

from datetime import UTC, datetime
from pathlib import Path

from controller.model.condition import Health, Sync
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.exchange.status import TargetStatus
from tests.fakes.house import House, house
from tests.fakes.repositories import Repository

TEXT = """\
repos: {{shop: {{url: {url}}}}}
tasks: {{work: {{run: 'work {n}'}}}}
targets: {{{name}: {{repo: shop, servers: all, task: work{more}}}}}
"""


async def line(h: House) -> TargetStatus:
    h.town.opened.clear()
    [one] = (await h.controller.status()).targets
    assert h.town.opened == []
    return one


def declare(h: House, shop: Repository, name: str = "t", n: int = 1, more: str = "") -> None:
    h.declare(TEXT.format(url=shop.path, name=name, n=n, more=more), servers=3)


async def test_a_target_goes_from_pending_to_in_sync_and_back(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    commit = shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        await h.apply()
        one = await line(h)
        assert (one.sync, one.health, one.in_sync, one.servers) == (
            *(Sync.IN_SYNC, Health.OK),
            *(3, 3),
        )
        assert one.wanted == one.applied == commit
        declare(h, shop, n=2)
        one = await line(h)
        assert (one.sync, one.in_sync) == (Sync.PENDING, 0)


async def test_the_next_due_times_are_told_soonest_first(tmp_path: Path) -> None:
    async with house(tmp_path / "house") as h:
        h.declare(
            "tasks: {a: {run: x}}\n"
            "targets:\n"
            "  nightly: {servers: all, task: a, schedule: {cron: 0 3 * * *}}\n"
            "  often: {servers: all, task: a, schedule: {every: 1h}}\n"
            "  never: {servers: all, task: a}\n",
            servers=1,
        )
        h.town.jump(datetime(2026, 12, 1, 2, 30, tzinfo=UTC))
        assert (await h.controller.status()).upcoming == (
            ("nightly", datetime(2026, 12, 1, 3, tzinfo=UTC)),
            ("often", datetime(2026, 12, 1, 3, tzinfo=UTC)),
        )


async def test_a_renamed_target_is_in_sync_before_it_is_moved(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    commit = shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        await h.apply()
        declare(h, shop, "u", more=", was: t")
        one = await line(h)
        assert (one.sync, one.in_sync, one.applied) == (Sync.IN_SYNC, 3, commit)


async def test_a_renamed_target_that_failed_still_says_so(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        h.town.bad = {"web-1", "web-2", "web-3"}
        await h.apply()
        assert (await line(h)).health is Health.FAILED
        declare(h, shop, "u", more=", was: t")
        one = await line(h)
        assert (one.sync, one.health) == (Sync.BLOCKED, Health.FAILED)


async def test_what_a_person_switched_off_comes_first(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        await h.apply()
        await h.controller.suspend("t", reason="audit")
        one = await line(h)
        assert one.health is Health.SUSPENDED
        assert "audit" in one.message


async def test_servers_that_are_away_are_told_with_the_command_that_helps(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        await h.apply()
        h.town.fleet.lay_down("web-2")
        await h.plan()
        assert (await line(h)).health is Health.DEGRADED
        [problem] = (await h.controller.status()).problems
        assert (problem.subject, problem.clear) == ("server/web-2", "ctl check server web-2")


async def test_what_runs_by_the_clock_alone_waits_for_nobody(tmp_path: Path) -> None:
    async with house(tmp_path / "house") as h:
        clock = "schedule: {cron: 0 3 * * *}"
        h.declare(
            f"tasks: {{a: {{run: x}}}}\ntargets: {{t: {{servers: all, task: a, {clock}}}}}\n",
            servers=2,
        )
        await h.controller.plan(PlanRequest())
        one = await line(h)
        assert (one.sync, one.reason, one.in_sync) == (Sync.IN_SYNC, "Scheduled", 2)
        h.declare(
            "tasks: {a: {run: x}}\n"
            f"targets: {{t: {{servers: all, task: a, {clock}, suspended: {{reason: x}}}}}}\n",
            servers=2,
        )
        assert (await line(h)).sync is Sync.BLOCKED
        h.declare(
            "tasks: {a: {run: x}}\ntargets: {t: {servers: all, task: a, on_commit: ignore}}\n",
            servers=2,
        )
        assert (await line(h)).reason == "OnCommit", "nobody runs it by itself"
