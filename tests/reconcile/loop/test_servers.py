"""Servers are looked at when their time has come; one failure says nothing, four say that a server is down."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.errors import StateError, Unreachable
from controller.model.job import State
from controller.model.notice import Occasion
from controller.model.observation import ServerSeen
from controller.model.serving import Contact
from controller.reconcile.loop import servers, targets
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import After, Done
from controller.transport.port import Probed
from tests.reconcile.loop.small_world import START, SmallWorld, small_world

TARGET = (
    "tasks: {note: {run: 'true', check: 'true'}}\ntargets: {shop: {servers: all, task: note}}\n"
)
SERVER = Key(Kind.SERVER, "web-1")
RETRY = 300.0


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallWorld]:
    async with small_world(tmp_path / "house") as made:
        await made.declare(TARGET, servers=2)
        yield made


async def look(town: SmallWorld, name: str = "web-1") -> After:
    result = await servers.reconcile(town.world, name)
    assert isinstance(result, After)
    return result


async def contact(town: SmallWorld) -> Contact:
    found = await town.world.rooms.store.contacts.get("web-1")
    assert found is not None
    return found


async def observed(town: SmallWorld) -> ServerSeen | None:
    return await town.world.rooms.store.observations.server("web-1")


def opened(town: SmallWorld) -> int:
    return town.house.town.opened.count("web-1")


def lines(town: SmallWorld) -> list[str]:
    return [line.event for line in town.world.rooms.connectivity.tail(100)]


async def fall(town: SmallWorld) -> None:
    """Have a server that answered go down, with all retries."""
    await look(town)
    town.house.town.fleet.lay_down("web-1")
    town.pass_time(43_200)
    for _ in range(4):
        await look(town)
        town.pass_time(RETRY)


async def test_what_was_never_seen_is_seen_at_once_and_not_again_before_its_time(
    town: SmallWorld,
) -> None:
    rest = (await look(town)).seconds
    assert 43_200 * 0.9 <= rest <= 43_200
    seen = await observed(town)
    assert seen is not None
    assert seen.reached
    assert (await contact(town)).login_at == START
    assert lines(town) == ["reached"]
    assert town.queue.news() == {"target/shop"}
    town.pass_time(rest - 60)
    again = await look(town)
    assert (opened(town), again.reason) == (1, "its interval is not over")
    town.pass_time(61)
    await look(town)
    assert opened(town) == 2
    assert lines(town) == ["reached"]
    assert town.queue.news() == set()


async def test_what_is_found_of_a_target_wakes_those_that_come_after_it(town: SmallWorld) -> None:
    later = "later: {servers: web-2, task: note, after: [shop]}"
    await town.declare(TARGET.removesuffix("}\n") + f", {later}}}\n", servers=2)
    town.queue.news()
    await look(town)
    assert town.queue.news() == {"target/shop", "target/later"}


async def test_it_is_tried_again_and_is_down_only_after_all_retries(town: SmallWorld) -> None:
    await look(town)
    town.queue.news()
    town.house.town.fleet.lay_down("web-1", Unreachable.DNS)
    town.pass_time(43_200)
    for number in range(3):
        assert (await look(town)).seconds == RETRY
        found = await contact(town)
        assert (found.failures, found.down) == (number + 1, False)
        seen = await observed(town)
        assert seen is not None
        assert seen.reached, "what was seen before stays in force until it is down"
        town.pass_time(RETRY)
    assert town.board.posted == []
    await look(town)
    assert (await contact(town)).down
    seen = await observed(town)
    assert seen is not None
    assert (seen.reached, seen.cause) == (False, Unreachable.DNS)
    assert lines(town) == ["reached", "unreachable", "down"]


async def test_people_hear_of_a_server_that_is_down_and_of_its_return(town: SmallWorld) -> None:
    await fall(town)
    (notice,) = town.board.posted
    assert (notice.occasion, notice.subject) == (Occasion.UNREACHABLE, "server/web-1")
    assert (notice.problem, notice.facts["cause"]) == ("unreachable", "tcp")
    assert "web-1 is down since 2026-12-01 14:00 UTC (tcp)" in notice.title
    town.house.town.fleet.stand_up("web-1")
    town.pass_time(3_600)
    await look(town)
    ((subject, problem, back),) = town.board.ended
    assert (subject, problem, back.occasion) == ("server/web-1", "unreachable", Occasion.RECOVERED)
    assert "back after" in back.title
    found = await contact(town)
    assert (found.down, len(found.flaps)) == (False, 2)
    assert found.down_seconds == 4 * RETRY + 3_600
    assert lines(town) == ["reached", "unreachable", "down", "reached", "back"]


async def test_a_failure_that_a_retry_makes_good_is_told_to_nobody(town: SmallWorld) -> None:
    await look(town)
    town.house.town.fleet.lay_down("web-1")
    town.pass_time(43_200)
    await look(town)
    town.house.town.fleet.stand_up("web-1")
    town.pass_time(RETRY)
    await look(town)
    assert (town.board.posted, town.board.ended) == ([], [])
    assert lines(town) == ["reached", "unreachable", "reached"]


async def test_what_is_down_is_still_looked_at_ever_more_rarely(town: SmallWorld) -> None:
    await fall(town)
    pauses = []
    for _ in range(6):
        pauses.append((await look(town)).seconds)
        town.pass_time(pauses[-1])
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]
    assert len(town.board.posted) == 1


async def test_a_wish_is_a_look_at_once_and_is_answered_by_it(town: SmallWorld) -> None:
    await look(town)
    town.pass_time(60)
    await town.world.poke(SERVER, why="a person")
    town.pass_time(1)
    await look(town)
    town.pass_time(60)
    await look(town)
    assert opened(town) == 2


async def test_a_target_that_came_is_looked_at_at_once(town: SmallWorld) -> None:
    await look(town)
    town.queue.news()
    town.pass_time(60)
    await town.declare(TARGET.replace("shop:", "store: {servers: all, task: note}, shop:"))
    await look(town)
    assert opened(town) == 2
    assert town.queue.news() == {"target/store"}
    await look(town)
    assert opened(town) == 2


async def test_drift_wakes_the_target_that_drifted_and_no_other(town: SmallWorld) -> None:
    await town.declare(TARGET.replace("shop:", "store: {servers: web-2, task: note}, shop:"))
    await town.house.apply()
    for server in ("web-1", "web-2"):
        await look(town, server)
    town.queue.news()
    town.house.town.fleet.probes = lambda server, _: Probed(
        exit_code=int(server == "web-1"), output=b"changed by hand\n"
    )
    town.pass_time(43_200)
    await look(town)
    await look(town, "web-2")
    assert town.queue.news() == {"target/shop"}
    seen = await observed(town)
    assert seen is not None
    assert seen.checks["shop"].exit_code == 1
    town.pass_time(43_200)
    await look(town)
    assert town.queue.news() == set()


async def test_a_server_that_is_back_wakes_its_targets_and_the_runs_that_wait(
    town: SmallWorld,
) -> None:
    await look(town)
    await look(town, "web-2")
    town.house.town.fleet.lay_down("web-1")
    await targets.reconcile(town.world, "shop")
    (run,) = await town.world.rooms.store.runs.list()
    jobs = await town.drive(run.id)
    assert State.PENDING in {job.state for job in jobs}
    await fall(town)
    town.queue.news()
    town.house.town.fleet.stand_up("web-1")
    town.pass_time(3_600)
    await look(town)
    assert town.queue.news() == {"target/shop", f"run/{run.id}"}


async def test_what_cannot_be_rendered_does_not_keep_a_server_from_being_seen(
    town: SmallWorld,
) -> None:
    await town.declare(TARGET)
    generation = town.world.generation
    assert generation is not None
    task = generation.declaration.tasks["note"]
    steps = (replace(task.steps[0], run="{{ vars.nothing }}"),)
    broken = replace(generation.declaration, tasks={"note": replace(task, steps=steps)})
    town.force.generation = replace(generation, seen=replace(generation.seen, declaration=broken))
    await look(town)
    seen = await observed(town)
    assert seen is not None
    assert seen.reached


async def test_an_inactive_server_is_left_alone(town: SmallWorld) -> None:
    await town.declare(TARGET, servers="servers: {web-1: {active: false}}\n")
    assert await servers.reconcile(town.world, "web-1") == Done()
    assert opened(town) == 0


async def test_a_server_that_is_no_longer_declared_is_forgotten_and_its_outage_over(
    town: SmallWorld,
) -> None:
    await fall(town)
    await town.declare(TARGET, servers="servers: {web-2: {}}\n")
    assert await servers.reconcile(town.world, "web-1") == Done()
    assert await town.world.rooms.store.contacts.get("web-1") is None
    assert [(subject, problem) for subject, problem, _ in town.board.ended] == [
        ("server/web-1", "unreachable")
    ]
    assert await servers.reconcile(town.world, "web-1") == Done()
    assert len(town.board.ended) == 1


async def test_a_crash_while_telling_tells_it_again(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(_: object) -> None:
        raise StateError("power cut")

    await look(town)
    town.house.town.fleet.lay_down("web-1")
    town.pass_time(43_200)
    for _ in range(3):
        await look(town)
        town.pass_time(RETRY)
    with monkeypatch.context() as patched:
        patched.setattr(town.board, "post", die)
        with pytest.raises(StateError):
            await servers.reconcile(town.world, "web-1")
    assert not (await contact(town)).down
    await look(town)
    assert (await contact(town)).down
    assert len(town.board.posted) == 1


async def test_a_clock_that_was_set_back_keeps_no_server_from_being_seen(town: SmallWorld) -> None:
    await look(town)
    town.pass_time(-timedelta(days=400).total_seconds())
    await look(town)
    assert opened(town) == 2
