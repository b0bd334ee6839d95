"""Declarations under `serve`: what is valid comes into force, what is not changes nothing and is told loudly."""

import asyncio
from pathlib import Path

from controller.model.declaration import Declaration, Repo
from controller.model.diagnostic import Diagnostic, Place
from controller.model.inventory import Inventory, Server
from controller.reconcile.loop.accepting import ACCEPTED, follow, load, put_in_force, without
from controller.reconcile.loop.keys import CONFIG, Key, Kind
from controller.reconcile.said import Said
from tests.reconcile.loop.estate import Estate, Land, estate

SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"


async def invalid_status(here: Estate) -> bool:
    """Say whether status would end with 1."""
    found = (await here.controller.status()).diagnostics
    return any(one.severity == "error" for one in found)


async def test_invalid_declarations_keep_the_last_good_ones_and_are_told_until_mended(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        good = land.config.head
        land.config.commit({"pipelines/more.yaml": "targets: {x: {tusk: y}}"})
        await here.look_at_config()
        await here.quiet()
        assert here.world.generation is not None
        assert here.world.generation.revision.sha == good
        assert await invalid_status(here)
        report = await here.controller.status()
        assert [one.target for one in report.targets] == ["shop"]
        assert "pipelines/more.yaml" in (await here.said())["config"].message
        assert land.board.occasions("config") == ["invalid"]
        told = [line.event for line in here.world.rooms.activity.tail(100)]
        assert told.count("config-refused") == 1
        await here.applied("shop", "web-1", "web-2", commit=await here.push("2"))
        land.config.commit({"pipelines/more.yaml": ""})
        await here.look_at_config()
        await here.quiet()
        assert not await invalid_status(here)
        assert land.board.ended == [("config", "invalid")]
        assert "config" not in await here.said()


async def test_a_repository_that_was_emptied_keeps_the_last_good_declarations(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        good = land.config.head
        land.config.git("rm", "-rq", ".")
        land.config.commit({"README.md": "moved"})
        await here.look_at_config()
        await here.quiet()
        assert here.world.generation is not None
        assert here.world.generation.revision.sha == good
        assert await invalid_status(here)
        assert "cannot find ctl.yaml" in (await here.said())["config"].message
        assert land.board.occasions("config") == ["invalid"]
        land.config.git("revert", "--no-edit", "HEAD")
        await here.look_at_config()
        await here.quiet()
        assert not await invalid_status(here)


async def test_the_last_good_declarations_stay_in_force_over_a_restart(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        good = land.config.head
    land.config.commit({"ctl.yaml": "settings: {nome: x}"})
    async with estate(land) as here:
        await here.look_at_config()
        assert here.world.generation is not None
        assert here.world.generation.revision.sha == good
        assert await invalid_status(here)
        await here.applied("shop", "web-1", "web-2", commit=await here.push("2"))


async def test_what_the_mark_and_the_mirror_both_name_comes_into_force_once(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        world = here.world
        assert world.generation is not None
        known = world.generation
        await put_in_force(world, await load(world, known.revision))
        assert world.generation is known
        assert world.counts.generations == 1


async def test_a_follower_that_was_slow_puts_nothing_older_in_force(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        old = land.config.head
        land.config.commit({"note.txt": "newer"})
        await here.look_at_config()
        await here.quiet()
        newer = here.world.generation
        assert newer is not None
        await land.store.marks.put(ACCEPTED, old)  # as it was when the follower began
        here.world.force.generation = None
        slow = asyncio.create_task(follow(here.world))
        await asyncio.sleep(0)
        here.world.force.generation = newer  # by the reconciler, meanwhile
        await slow
        assert here.world.generation is newer
        assert here.world.config.head() == newer.revision


async def test_without_any_valid_declarations_nothing_happens_until_there_are_some(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.config.commit({"ctl.yaml": "nonsense: 1"})
    async with estate(land) as here:
        await here.look_at_config()
        await here.quiet()
        assert here.world.generation is None
        land.declare(SHOP)
        await here.look_at_config()
        await here.applied("shop", "web-1", "web-2")


async def test_the_config_repository_is_looked_at_by_its_own_interval(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        land.declare(SHOP + "  more: {task: deploy, servers: web-1, repo: app}\n")
        await here.world.add(CONFIG)
        await here.quiet()
        assert "more" not in here.world.generation.declaration.targets  # type: ignore[union-attr]
        land.clock.shift(70)
        await here.applied("more", "web-1")


async def test_a_repository_out_of_reach_is_asked_again_soon_and_said_until_it_is_back(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        there = land.config.path
        away = there.rename(there.with_name("away"))
        await here.world.poke(CONFIG, why="test")
        for _ in range(5):  # together less than its interval
            await here.quiet()
            land.clock.shift(5)
        assert (await here.said())["config"].reason == "Retrying"
        away.rename(there)
        land.clock.shift(60)
        await here.quiet()
        assert "config" not in await here.said()


async def test_what_is_invalid_is_said_again_after_the_repository_was_away(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        land.config.commit({"pipelines/more.yaml": "targets: {x: {tusk: y}}"})
        await here.look_at_config()
        there = land.config.path
        away = there.rename(there.with_name("away"))
        await here.world.poke(CONFIG, why="test")
        for _ in range(5):
            await here.quiet()
            land.clock.shift(5)
        assert (await here.said())["config"].reason == "Retrying"
        away.rename(there)
        land.clock.shift(60)
        await here.quiet()
        assert (await here.said())["config"].reason == "Invalid"
        assert land.board.occasions("config") == ["invalid", "stalled"]
        assert land.board.ended == [("config", "stalled-config")]


async def test_a_history_that_was_rewritten_is_refused_and_told(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        good = land.config.head
        land.config.git("checkout", "--quiet", "--orphan", "other")
        land.declare("  evil: {task: deploy, servers: 'web-*', repo: app}\n")
        land.config.git("branch", "-M", "main")
        await here.world.poke(CONFIG, why="test")
        await here.until(lambda: here.world.invalid is not None)
        assert here.world.generation is not None
        assert here.world.generation.revision.sha == good
        assert not [one for one in land.worked if one[0] == "evil"]


async def test_a_removed_repo_server_and_target_leave_no_key_and_no_mark_behind(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    gone = [Key(Kind.REPO, "app"), Key(Kind.SERVER, "web-2"), Key(Kind.TARGET, "shop")]
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        for key in gone:
            await here.world.poke(key, why="test")
        await here.quiet()
        await here.world.say(gone[-1], Said(reason="Waiting", message="for a yes"))
        await land.store.marks.put("status/shop", "a light beside a commit")
        land.config.commit(
            {
                "inventory/servers.yaml": "servers: {web-1: {}}\n",
                "pipelines/main.yaml": "tasks: {deploy: {run: deploy}}\n"
                "targets: {other: {task: deploy, servers: web-1}}\n",
            }
        )
        await here.look_at_config()
        await here.applied("other", "web-1")
        await here.quiet()
        land.clock.shift(301)
        await here.quiet()
        keys = {one.key for one in await here.world.queue.waiting()}
        assert not keys & set(map(str, gone))
        marks = await land.store.marks.prefixed("")
        assert not [mark for mark in marks if mark.endswith(("/app", "/web-2", "/shop"))]


def test_a_finding_switches_off_the_server_and_the_repo_it_speaks_of() -> None:
    there, elsewhere = Place(file="a.yaml", line=3), Place(file="a.yaml", line=4)
    declared = Declaration(
        inventory=Inventory(
            servers={
                "here": Server(name="here", address="here", place=there),
                "web": Server(name="web", address="web", place=elsewhere),
            }
        ),
        repos={"app": Repo(name="app", url="file:///x", place=there)},
    )
    left = without(
        declared, [Diagnostic(code="not-allowed", message="no", place=there, hint="flag")]
    )
    assert not left.inventory.servers["here"].active
    assert left.inventory.servers["here"].needs_flag == "flag"
    assert left.inventory.servers["web"].active
    assert not left.repos["app"].active
    assert without(declared, []) is declared
