"""Once for each due time, and never against a gate: over crashes, restarts and runs that take too long."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.errors import StateError
from controller.model.ids import RunId
from controller.model.job import Job, State, Trigger
from controller.model.serving import Due
from controller.reconcile.carrying import standing
from controller.reconcile.loop import firing, owing, schedules, servers
from controller.reconcile.loop.firing import Firing
from controller.reconcile.loop.result import After, Done
from tests.reconcile.loop.estate import Land, estate
from tests.reconcile.loop.small_world import START, SmallWorld, small_world

HOUR = timedelta(hours=1)
TASK = "tasks: {note: {run: 'true'}}\n"


def hourly(more: str = "") -> str:
    return (
        TASK
        + "targets: {backup: {servers: all, task: note, schedule: {cron: 0 * * * *, "
        + f"timezone: Europe/Berlin}}{more}}}}}\n"
    )


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallWorld]:
    async with small_world(tmp_path / "house", start=START + timedelta(minutes=30)) as made:
        await made.declare(hourly(), servers=2)
        for server in ("web-1", "web-2"):
            await servers.reconcile(made.world, server)
        made.queue.news()
        yield made


async def look(town: SmallWorld) -> After:
    result = await schedules.reconcile(town.world, "backup")
    assert isinstance(result, After)
    return result


async def rows(town: SmallWorld) -> list[tuple[str, str]]:
    """Give (hour and minute in UTC, outcome) of all due times, oldest first."""
    dues = await town.world.rooms.store.dues.list("backup", limit=1000)
    return [(f"{one.due:%H:%M}", one.outcome) for one in reversed(dues)]


async def last(town: SmallWorld) -> Due:
    found = await town.world.rooms.store.dues.last("backup")
    assert found is not None
    return found


async def jobs(town: SmallWorld) -> tuple[Job, ...]:
    return await town.house.jobs()


async def fired(town: SmallWorld) -> RunId:
    """Have the next due time fired; give its run."""
    await look(town)
    town.house.town.jump(town.now.replace(minute=0) + HOUR)
    await look(town)
    run = (await last(town)).run
    assert run is not None
    return RunId(run)


async def test_a_due_time_makes_one_run_of_the_whole_target(town: SmallWorld) -> None:
    first = await look(town)
    assert (first.seconds, first.reason) == (1800.0, "due 2026-12-01 04:00")
    assert await rows(town) == []
    town.pass_time(1800)
    again = await look(town)
    assert again.seconds == 3600.0
    assert await rows(town) == [("03:00", "fired")]
    (run,) = await town.world.rooms.store.runs.list()
    assert (await last(town)).run == run.id
    assert town.queue.news() == {f"run/{run.id}"}
    made = await jobs(town)
    assert {(job.server, job.trigger, job.cause) for job in made} == {
        (name, Trigger.SCHEDULE, "schedule 0 * * * * (Europe/Berlin), due 2026-12-01 04:00")
        for name in ("web-1", "web-2")
    }
    assert {job.state for job in await town.drive(run.id)} == {State.SUCCEEDED}
    await look(town)
    assert len(await town.world.rooms.store.runs.list()) == 1


async def test_what_is_in_sync_runs_again_at_the_next_due_time(town: SmallWorld) -> None:
    for _ in range(3):
        await town.drive(await fired(town))
    assert await rows(town) == [(f"0{hour}:00", "fired") for hour in (3, 4, 5)]
    assert len(await town.world.rooms.store.runs.list()) == 3
    assert len({job.run for job in await jobs(town)}) == 3


async def test_what_was_missed_is_one_run_and_says_so(town: SmallWorld) -> None:
    await town.drive(await fired(town))
    town.pass_time(3 * 3600 + 60)
    await look(town)
    assert await rows(town) == [
        ("03:00", "fired"),
        ("04:00", "missed"),
        ("05:00", "missed"),
        ("06:00", "fired"),
    ]
    assert len(await town.world.rooms.store.runs.list()) == 2
    found = await town.world.rooms.store.dues.list("backup")
    assert {one.reason for one in found if one.outcome == "missed"} == {
        f"made up for by run {found[0].run}"
    }


async def test_a_clock_that_was_set_back_fires_nothing_again(town: SmallWorld) -> None:
    await town.drive(await fired(town))
    before = await rows(town)
    for minutes in (-1, -20, 5, 10, 6):
        town.pass_time(60 * minutes)
        await look(town)
    assert await rows(town) == before
    assert len(await town.world.rooms.store.runs.list()) == 1


async def test_by_default_a_due_time_is_skipped_while_the_run_before_is_at_work(
    town: SmallWorld,
) -> None:
    run = await fired(town)
    town.pass_time(3600)
    await look(town)
    assert await rows(town) == [("03:00", "fired"), ("04:00", "skipped")]
    assert (await last(town)).reason == f"run {run} is still at work"
    assert len(await town.world.rooms.store.runs.list()) == 1


async def test_with_queue_it_begins_when_the_other_has_ended_and_several_are_one(
    town: SmallWorld,
) -> None:
    await town.declare(hourly(", overlap: queue"))
    run = await fired(town)
    town.pass_time(3600)
    assert (await look(town)).seconds == schedules.BUSY_SECONDS
    town.pass_time(3600)
    assert (await look(town)).reason == f"run {run} is still at work"
    assert await rows(town) == [("03:00", "fired")]
    await town.drive(run)
    await look(town)
    assert await rows(town) == [("03:00", "fired"), ("04:00", "missed"), ("05:00", "fired")]


async def test_with_replace_the_other_is_stopped_first(town: SmallWorld) -> None:
    await town.declare(hourly(", overlap: replace"))
    run = await fired(town)
    town.pass_time(3600)
    assert (await look(town)).seconds == schedules.BUSY_SECONDS
    assert f"run/{run}" in town.queue.news()
    assert {job.state for job in await town.drive(run)} <= {State.CANCELLED, State.SKIPPED}
    await look(town)
    assert await rows(town) == [("03:00", "fired"), ("04:00", "fired")]
    assert town.house.town.worked == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (", suspended: {reason: audit}", "audit"),
        (", approval: {required: 1}", "approv"),
        (", windows: [{allow: 0 12 * * *, for: 1h}]", "closed"),
    ],
)
async def test_gates_hold_for_schedules_and_are_told_as_the_reason(
    town: SmallWorld, more: str, reason: str
) -> None:
    await town.declare(hourly(more))
    await look(town)
    town.pass_time(1800)
    await look(town)
    assert await rows(town) == [("03:00", "skipped")]
    assert reason in (await last(town)).reason
    assert await jobs(town) == ()


async def test_a_target_suspended_while_its_due_time_is_planned_does_not_run(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await look(town)
    town.pass_time(1800)
    left = ["audit"]

    async def then(*asked: Any) -> Firing | str:
        made = await firing.prepare(*asked)
        if left:
            await standing.suspend(town.world.rooms, "backup", reason=left.pop())
        return made

    monkeypatch.setattr(schedules, "prepare", then)
    assert (await look(town)).seconds == 0.0
    assert await rows(town) == []
    await look(town)
    assert await rows(town) == [("03:00", "skipped")]
    assert await jobs(town) == ()


async def test_on_commit_does_not_hold_a_schedule(town: SmallWorld) -> None:
    await town.declare(hourly(", on_commit: ignore"))
    await town.drive(await fired(town))
    assert {job.state for job in await jobs(town)} == {State.SUCCEEDED}


async def test_what_failed_last_time_is_tried_at_the_next_due_time(town: SmallWorld) -> None:
    town.house.town.bad.add("web-1")
    await town.drive(await fired(town))
    town.house.town.bad.clear()
    await town.drive(await fired(town))
    assert [job.state for job in await jobs(town) if job.server == "web-1"] == [
        State.SUCCEEDED,
        State.FAILED,
    ]


async def test_a_server_that_is_down_is_named_and_the_others_run(town: SmallWorld) -> None:
    town.house.town.fleet.lay_down("web-2")
    for _ in range(5):
        town.pass_time(43_200)
        await servers.reconcile(town.world, "web-2")
        await servers.reconcile(town.world, "web-1")
    run = await fired(town)
    assert {job.server for job in await jobs(town) if job.run == run} == {"web-1"}
    assert (await last(town)).reason.startswith("web-2: ")


async def crashed(town: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> RunId:
    """Have a process die between the claim of a due time and its run."""

    async def die(*_: object) -> None:
        raise StateError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(town.world.live, "submit", die)
        await look(town)
        town.pass_time(1800)
        with pytest.raises(StateError):
            await schedules.reconcile(town.world, "backup")
    row = await last(town)
    assert (row.outcome, await town.world.rooms.store.runs.list()) == ("fired", ())
    assert row.run is not None
    return RunId(row.run)


async def test_a_run_that_was_claimed_and_never_recorded_is_recorded_with_its_id(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await crashed(town, monkeypatch)
    town.pass_time(60)
    await look(town)
    assert [one.id for one in await town.world.rooms.store.runs.list()] == [run]
    assert "due 2026-12-01 04:00" in (await jobs(town))[0].cause
    await town.drive(run)
    await look(town)
    assert len(await town.world.rooms.store.runs.list()) == 1
    assert await owing.owed(town.world, "backup") is None


async def test_what_was_claimed_waits_for_nobody_where_a_gate_holds_it_since(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await crashed(town, monkeypatch)
    await town.declare(hourly(", suspended: {reason: audit}"))
    await look(town)
    await town.declare(hourly())
    await look(town)
    assert await town.world.rooms.store.runs.list() == ()
    assert town.house.events().count("schedule-held") == 1
    assert run in str(town.house.told())


async def test_a_crash_before_the_claim_fires_once(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(_: Due) -> bool:
        raise StateError("power cut")

    await look(town)
    town.pass_time(1800)
    with monkeypatch.context() as patched:
        patched.setattr(town.world.rooms.store.dues, "claim", die)
        with pytest.raises(StateError):
            await schedules.reconcile(town.world, "backup")
    await look(town)
    assert await rows(town) == [("03:00", "fired")]
    assert len(await town.world.rooms.store.runs.list()) == 1


async def test_a_crash_after_the_run_was_recorded_makes_no_second(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise StateError("power cut")

    await look(town)
    town.pass_time(1800)
    with monkeypatch.context() as patched:
        patched.setattr(owing, "settle", die)
        with pytest.raises(StateError):
            await schedules.reconcile(town.world, "backup")
    assert await owing.owed(town.world, "backup") is not None
    await look(town)
    assert await owing.owed(town.world, "backup") is None
    assert len(await town.world.rooms.store.runs.list()) == 1


class Dying:
    """A store whose writer dies at its n-th write: before it has its effect, or right after."""

    def __init__(self, at: int, *, before: bool) -> None:
        self.left = at
        self.before = before

    def watch(self, write: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def watched(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left == 0 and self.before:
                raise StateError("power cut")
            done = await write(*args, **kwargs)
            if self.left == 0:
                raise StateError("power cut")
            return done

        return watched


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_wherever_a_process_dies_the_due_time_has_one_run(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    store = town.world.rooms.store
    await look(town)
    town.house.town.jump(town.now.replace(minute=0))
    for write in range(1, 100):
        town.pass_time(7_200)  # one is missed, one is fired
        dying = Dying(write, before=before)
        with monkeypatch.context() as patched:
            for shelf, name in (
                (store.marks, "put"),
                (store.marks, "swap"),
                (store.dues, "claim"),
                (store.runs, "add"),
            ):
                patched.setattr(shelf, name, dying.watch(getattr(shelf, name)))
            try:
                await schedules.reconcile(town.world, "backup")
            except StateError:
                assert dying.left <= 0
        town.pass_time(60)
        await look(town)
        await look(town)
        row = await last(town)
        assert row.due == town.now.replace(minute=0)
        assert row.outcome == "fired"
        runs = await store.runs.list(limit=1000)
        assert len(runs) == write
        assert runs[0].id == row.run
        await town.drive(runs[0].id)
        assert await owing.owed(town.world, "backup") is None
        town.house.town.jump(town.now.replace(minute=0, second=0))
        if dying.left > 0:
            break
    else:
        pytest.fail("there is no end of its writes")
    outcomes = [outcome for _, outcome in await rows(town)]
    assert outcomes == ["missed", "fired"] * write
    assert write > 5


async def test_a_schedule_that_is_changed_or_comes_back_makes_up_for_nothing(
    town: SmallWorld,
) -> None:
    await town.drive(await fired(town))
    await town.declare(TASK + "targets: {backup: {servers: all, task: note}}\n")
    assert await schedules.reconcile(town.world, "backup") == Done()
    town.pass_time(5 * 3600)
    await town.declare(hourly())
    await look(town)
    town.pass_time(5 * 3600)
    await town.declare(hourly().replace("0 * * * *", "30 * * * *"))
    await look(town)
    assert await rows(town) == [("03:00", "fired")]


async def test_while_dispatch_is_held_nothing_is_fired_or_skipped(town: SmallWorld) -> None:
    await look(town)
    await town.world.rooms.store.marks.put("dispatch-held", "restored")
    town.pass_time(1800)
    assert await schedules.reconcile(town.world, "backup") == Done()
    assert await rows(town) == []


async def test_every_due_time_of_two_days_is_fired_once_with_restarts_in_between(
    town: SmallWorld,
) -> None:
    """Looks come when they were asked for, and at other times as well."""
    await look(town)
    end = town.now + timedelta(days=2)
    while town.now < end:
        result = await look(town)
        row = await town.world.rooms.store.dues.last("backup")
        if row is not None and row.run is not None:
            await town.drive(row.run)
        town.pass_time(min(result.seconds, 1700))
    outcomes = {one.outcome for one in await town.world.rooms.store.dues.list("backup", limit=999)}
    assert outcomes == {"fired"}
    assert len(await rows(town)) == 2 * 24
    assert len({job.run for job in await jobs(town)}) == 2 * 24


async def test_a_controller_that_was_away_makes_up_for_it_once(tmp_path: Path) -> None:
    land = Land(tmp_path)
    # Half of the time between two due times is left for whatever a slow machine needs.
    anchor = (land.clock.now() - timedelta(minutes=5)).isoformat(timespec="seconds")
    land.declare(
        f"  tick: {{servers: all, task: deploy, schedule: {{every: 10m, anchor: '{anchor}'}}}}\n"
    )
    async with estate(land) as first:
        await first.look_at_config()
        await first.quiet()
        land.clock.shift(600)
        done = await first.ended(2)
        assert {(job.trigger, job.state) for job in done} == {(Trigger.SCHEDULE, State.SUCCEEDED)}
        await first.quiet()
    land.clock.shift(3_600)
    async with estate(land) as second:
        await second.look_at_config()
        await second.ended(4)
        await second.quiet()
        assert len(await second.jobs()) == 4
        found = await land.store.dues.list("tick")
        assert [one.outcome for one in reversed(found)] == ["fired", *["missed"] * 5, "fired"]
