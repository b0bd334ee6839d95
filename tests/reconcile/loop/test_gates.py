"""What holds a target under `serve`, and that it goes on by itself when its time has come."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.jobs.held import HELD
from controller.model.job import Trigger
from controller.model.token import Actor, Role
from controller.reconcile.loop.keys import Key, Kind
from controller.transport.port import Probed
from tests.reconcile.loop.estate import Land, estate

SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"
TARGET = Key(Kind.TARGET, "shop")


def keyed(more: str) -> str:
    return f"  shop: {{task: deploy, servers: 'web-*', repo: app, {more}}}\n"


def in_hours(land: Land, hours: float) -> datetime:
    return land.clock.now() + timedelta(hours=hours)


async def test_a_window_opens_by_the_clock(tmp_path: Path) -> None:
    land = Land(tmp_path)
    opens = in_hours(land, 2).astimezone(UTC)
    land.declare(keyed(f"windows: [{{allow: '0 {opens.hour} * * *', for: 1h, timezone: UTC}}]"))
    async with estate(land) as here:
        await here.until(lambda: here.world.generation is not None)
        await here.quiet()
        assert not land.worked
        key = next(one for one in await here.world.queue.waiting() if one.key == "target/shop")
        assert key.due is not None
        assert abs(key.due - opens.replace(minute=0, second=0, microsecond=0)) < timedelta(
            seconds=2
        )
        land.clock.shift((key.due - land.clock.now()).total_seconds() + 1)
        await here.applied("shop", "web-1", "web-2")


async def test_a_suspension_ends_by_the_clock(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.controller.suspend("shop", reason="holiday", until=in_hours(land, 3))
        await here.push("2")
        await here.quiet()
        assert len(land.worked) == 2
        land.clock.shift(3 * 3600 + 1)
        await here.applied("shop", "web-1", "web-2", commit=land.app.head)


async def test_on_commit_plan_waits_for_a_yes_to_exactly_that(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(keyed("on_commit: plan"))
    async with estate(land) as here:
        await here.until(lambda: "approval" in land.board.occasions("target/shop"))
        await here.quiet()
        assert not land.worked
        approved = await here.controller.approve("shop", confirm=lambda _: True)
        assert approved.approval is not None
        await here.world.add(TARGET)
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        assert ("target/shop", "approval") in land.board.ended
        await here.push("2")
        await here.quiet()
        assert len(land.worked) == 2


async def test_approvals_of_several_people_are_counted(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(keyed("approval: {required: 2}"))
    async with estate(land) as here:
        await here.until(lambda: "approval" in land.board.occasions("target/shop"))
        for name in ("first", "second"):
            assert not land.worked
            actor = Actor(name=name, role=Role.OPERATOR, kind="token")
            await here.serving.controller(actor).approve("shop", confirm=lambda _: True)
            await here.world.add(TARGET)
            await here.quiet()
        await here.applied("shop", "web-1", "web-2")


async def test_on_commit_ignore_runs_nothing_by_itself_and_by_hand_when_named(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(keyed("on_commit: ignore"))
    async with estate(land) as here:
        await here.until(lambda: here.world.generation is not None)
        await here.quiet()
        assert not land.worked


async def test_a_restored_state_dispatches_nothing_until_told(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    await land.store.marks.put(HELD, "restored from a backup")
    async with estate(land) as here:
        await here.until(lambda: here.world.generation is not None)
        await here.quiet()
        assert not land.worked
        problems = (await here.controller.status()).problems
        assert "restored from a backup" in [one.message for one in problems]
        assert await land.store.marks.swap(HELD, "restored from a backup", None)
        land.clock.shift(301)
        await here.applied("shop", "web-1", "web-2")


async def test_drift_is_healed_three_times_an_hour_and_no_more(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.fleet.probes = lambda _s, _p: Probed(exit_code=1, output=b"off\n")
    land.config.commit(
        {
            "ctl.yaml": "",
            "inventory/servers.yaml": "servers: {web-1: {}}\n",
            "pipelines/main.yaml": "tasks: {deploy: {run: deploy, check: verify}}\n"
            "targets: {shop: {task: deploy, servers: web-1, on_drift: heal}}\n",
        }
    )
    async with estate(land) as here:
        await here.applied("shop", "web-1")

        async def look() -> None:
            await here.quiet()
            await here.world.poke(Key(Kind.SERVER, "web-1"), why="test")
            await here.quiet()

        for _ in range(5):
            await look()
        heals = [job for job in await here.jobs() if job.trigger is Trigger.DRIFT]
        assert len(heals) == 3
        assert "healed 3 times" in (await here.said())["target/shop"].message
        land.clock.shift(3700)
        await look()
        assert len(await here.jobs()) > 4


async def test_drift_that_is_only_reported_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    land = Land(tmp_path)
    exits = [1]
    land.fleet.probes = lambda _s, _p: Probed(exit_code=exits[0], output=b"off\n")
    land.config.commit(
        {
            "ctl.yaml": "",
            "inventory/servers.yaml": "servers: {web-1: {}}\n",
            "pipelines/main.yaml": "tasks: {deploy: {run: deploy, check: verify}}\n"
            "targets: {shop: {task: deploy, servers: web-1}}\n",
        }
    )
    server = Key(Kind.SERVER, "web-1")
    async with estate(land) as here:
        await here.applied("shop", "web-1")
        await here.quiet()
        for _ in range(3):
            await here.world.poke(server, why="test")
            await here.quiet()
        assert land.board.occasions("target/shop").count("drift") == 1
        exits[0] = 0
        await here.world.poke(server, why="test")
        await here.until(lambda: ("target/shop", "drift") in land.board.ended)
        assert len(land.worked) == 1


async def test_a_rewound_repo_holds_its_targets_with_words_until_a_person_accepts(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.app.commit({"app.txt": "2"})
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.app.git("reset", "--quiet", "--hard", "HEAD~1")
        land.app.commit({"app.txt": "evil"})
        await here.world.poke(Key(Kind.REPO, "app"), why="webhook")
        await here.until(lambda: "invalid" in land.board.occasions("repo/app"))
        await here.quiet()
        assert len(land.worked) == 2
        why = await here.controller.why("shop", "web-1")
        assert next(one for one in why if not one.passed).gate == "source"
        await here.controller.check_repo("app", accept_rewind=True, reason="we meant it")
        await here.world.add(TARGET)
        await here.applied("shop", "web-1", "web-2", commit=land.app.head)


async def test_a_repo_that_is_out_of_reach_is_tried_again_and_holds_nothing_back(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        away = land.app.path.rename(tmp_path / "away")
        await here.world.poke(Key(Kind.REPO, "app"), why="webhook")
        await here.until(lambda: ("repo", "source-unreachable") in here.world.counts.reconciled)
        for _ in range(4):
            land.clock.shift(60)
            await here.quiet()
        assert (await here.said())["repo/app"].reason == "Retrying"
        land.config.commit({"pipelines/tasks.yaml": "tasks: {again: {run: again}}\n"})
        land.declare("  shop: {task: again, servers: 'web-*', repo: app}\n")
        await here.look_at_config()
        await here.until(lambda: len(land.worked) == 4)
        away.rename(land.app.path)

        async def well() -> bool:
            return "repo/app" not in await here.said()

        for _ in range(3):  # it is tried again within a pause that is longer each time
            land.clock.shift(301)
            await here.quiet()
        await here.until(well)
