"""The worker, the switch and the scheduler: what goes wrong with one key is that key's alone, and waits as long as it should."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from controller.errors import ControllerError, RefusedError, SourceError, StateAwayError, StateError
from controller.model.ids import RunId
from controller.model.notice import Occasion
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import After, Done, Result
from controller.reconcile.loop.scheduler import EVERY_SECONDS
from controller.reconcile.loop.switch import STALLED_SECONDS, TELLS, wait_for
from controller.reconcile.loop.worker import Reconciler
from controller.reconcile.loop.world import World
from controller.reconcile.said import Said, say
from tests.reconcile.loop.estate import Land, estate, nothing

REPO = Key(Kind.REPO, "app")
SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"


class Doing:
    """A reconciler that does what the test says, and counts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.done: Counter[str] = Counter()
        self.now = 0
        self.most = 0

    async def __call__(self, _world: World, name: str) -> Result:
        self.done[name] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.01)
            if self.errors:
                raise self.errors.pop(0)
        finally:
            self.now -= 1
        return Done()


def table(**known: Reconciler) -> dict[Kind, Reconciler]:
    return {kind: known.get(kind.value, nothing) for kind in Kind}


async def test_keys_are_reconciled_several_at_once_and_never_too_many(tmp_path: Path) -> None:
    doing = Doing()
    async with estate(Land(tmp_path), table=table(repo=doing)) as here:
        for number in range(100):
            await here.world.add(Key(Kind.REPO, f"r{number}"))
        await here.until(lambda: len(doing.done) == 100)
        assert 1 < doing.most <= 16
        assert set(doing.done.values()) == {1}


async def test_many_adds_while_a_key_is_at_work_are_one_more_look(tmp_path: Path) -> None:
    doing = Doing()
    async with estate(Land(tmp_path), table=table(repo=doing)) as here:
        await here.world.add(REPO)
        await here.until(lambda: doing.now == 1)
        for _ in range(50):
            await here.world.add(REPO)
        await here.quiet()
        assert doing.done["app"] == 2


async def test_runs_take_no_place_from_others(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def drive(_world: World, _name: str) -> Result:
        await never.wait()
        return Done()

    doing = Doing()
    async with estate(Land(tmp_path), table=table(run=drive, repo=doing)) as here:
        for number in range(50):
            await here.world.add(Key(Kind.RUN, RunId(f"run{number}")))
        await here.until(lambda: here.world.counts.busy == 50)
        await here.world.add(REPO)
        await here.until(lambda: doing.done["app"] == 1)


async def test_what_passes_by_itself_is_tried_again_ever_later_and_told_when_it_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doing = Doing(*(SourceError("cannot reach the remote") for _ in range(TELLS + 1)))
    async with estate(Land(tmp_path), table=table(repo=doing)) as here:
        await here.world.add(REPO)
        for number in range(1, TELLS + 1):
            await here.until(lambda: doing.done["app"] == number)  # noqa: B023 - asked at once
            await here.quiet()
            assert ("repo/app" in await here.said()) is (number >= TELLS)
            land_pause = next(
                w.due for w in await here.world.queue.waiting() if w.key == "repo/app"
            )
            assert land_pause is not None
            pause = (land_pause - here.land.clock.now()).total_seconds()
            assert 2 ** (number - 1) / 2 - 0.5 <= pause <= 2 ** (number - 1)
            here.land.clock.shift(pause + 0.1)
        await here.until(lambda: not doing.errors)
        here.land.clock.shift(60)
        await here.until(lambda: doing.done["app"] == TELLS + 2)
        await here.quiet()
        assert "repo/app" not in await here.said()
        assert here.world.counts.reconciled["repo", "source-unreachable"].count == TELLS + 1
        words = "repo/app is tried again and again: cannot reach the remote"
        assert caplog.messages.count(words) == 1
        assert [one.title for one in here.land.board.posted] == [words]
        assert here.land.board.ended == [("repo/app", "stalled-repo")]


async def test_a_look_that_failed_answers_no_wish(tmp_path: Path) -> None:
    doing = Doing(SourceError("cannot reach the remote"))

    async def look(world: World, name: str) -> Result:
        await world.looking(REPO)
        return await doing(world, name)

    async with estate(Land(tmp_path), table=table(repo=look)) as here:
        await here.world.poke(REPO, why="test")
        await here.until(lambda: doing.done["app"] == 1)
        await here.quiet()
        assert await here.world.wanted(REPO)
        here.land.clock.shift(2)
        await here.until(lambda: doing.done["app"] == 2)
        await here.quiet()
        assert not await here.world.wanted(REPO)


async def test_what_another_version_said_of_its_keys_holds_nobody_up(tmp_path: Path) -> None:
    land, doing = Land(tmp_path), Doing()
    said = Said(reason="Stalled", message="of another version")
    for key in ("weather/today", "repo", "repo/app"):
        await say(land.store.marks, key, said, land.clock.now())
    async with estate(land, table=table(repo=doing)) as here:
        await here.world.add(REPO)
        await here.until(lambda: doing.done["app"] == 1)
        await here.quiet()
        assert (await here.said()).keys() == {"weather/today", "repo"}


async def test_what_a_person_must_settle_waits_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doing = Doing(RefusedError("no", hint="ctl do it"), RefusedError("no", hint="ctl do it"))
    async with estate(Land(tmp_path), table=table(repo=doing)) as here:
        for _ in range(2):
            await here.world.add(REPO)
            await here.quiet()
        said = (await here.said())["repo/app"]
        assert (said.reason, said.message, said.clear) == ("Stalled", "no", "ctl do it")
        told = [line.event for line in here.world.rooms.activity.tail(50)]
        assert told.count("stalled") == 1
        assert caplog.messages.count("repo/app waits for a person: no") == 1
        told_people = [(one.occasion, one.title, one.lines) for one in here.land.board.posted]
        assert told_people == [
            (Occasion.STALLED, "repo/app waits for a person: no", ("remedy: ctl do it",))
        ]
        assert not here.land.board.ended
        due = next(w.due for w in await here.world.queue.waiting() if w.key == "repo/app")
        assert due is not None
        assert (due - here.land.clock.now()).total_seconds() > STALLED_SECONDS - 60
        await here.world.add(REPO)
        await here.quiet()
        assert "repo/app" not in await here.said()
        assert here.land.board.ended == [("repo/app", "stalled-repo")]


async def test_a_schedule_and_its_target_stall_apart_and_those_hear_of_it_whom_the_target_names(
    tmp_path: Path,
) -> None:
    schedule, target = Key(Kind.SCHEDULE, "shop"), Key(Kind.TARGET, "shop")
    doing, other = Doing(RefusedError("no")), Doing(RefusedError("neither"))
    async with estate(Land(tmp_path), table=table(schedule=doing, target=other)) as here:
        for key in (schedule, target):
            await here.world.add(key)
            await here.quiet()
        told = {(one.subject, one.problem, one.target) for one in here.land.board.posted}
        assert told == {
            ("target/shop", "stalled-schedule", "shop"),
            ("target/shop", "stalled-target", "shop"),
        }
        await here.world.add(schedule)
        await here.quiet()
        assert here.land.board.ended == [("target/shop", "stalled-schedule")]


async def test_a_bug_of_one_key_is_logged_once_with_where_it_came_from_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doing = Doing(ZeroDivisionError("oops"), ZeroDivisionError("oops"))
    async with estate(Land(tmp_path), table=table(repo=doing)) as here:
        for _ in range(2):
            await here.world.add(REPO)
            await here.quiet()
        assert (await here.said())["repo/app"].reason == "Bug"
        assert [record for record in caplog.records if "oops" in record.getMessage()][1:] == []
        assert "Traceback" in caplog.text
        await here.world.add(Key(Kind.REPO, "other"))
        await here.until(lambda: doing.done["other"] == 1)


async def test_a_state_that_cannot_be_used_ends_the_worker_and_one_that_is_away_does_not(
    tmp_path: Path,
) -> None:
    doing = Doing(StateAwayError("away"), StateError("the disk is at fault"))

    async def work() -> None:
        async with estate(Land(tmp_path), table=table(repo=doing)) as here:
            await here.world.add(REPO)
            await here.until(lambda: doing.done["app"] == 1)
            here.land.clock.shift(5)
            await here.until(lambda: doing.done["app"] == 2)
            await asyncio.sleep(0.1)

    with pytest.raises(StateError, match="the disk is at fault"):
        await work()


async def test_a_worker_that_begins_anew_takes_up_what_the_one_before_had_in_hand(
    tmp_path: Path,
) -> None:
    begun: list[str] = []

    async def work(_world: World, name: str) -> Result:
        begun.append(name)
        if begun.count("slow") == 1:
            await asyncio.sleep(30 if name == "slow" else 0.05)
            raise StateError("gone for a moment")
        return Done()

    async with estate(Land(tmp_path), begin=False, table=table(repo=work)) as here:
        for name in ("slow", "bad"):
            await here.world.add(Key(Kind.REPO, name))
        with pytest.raises(StateError, match="gone for a moment"):
            await here.worker.run()
        again = asyncio.ensure_future(here.worker.run())
        here.land.clock.shift(2)
        await here.until(lambda: begun.count("slow") == begun.count("bad") == 2)
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)


async def test_a_key_of_another_version_is_passed_over(tmp_path: Path) -> None:
    async with estate(Land(tmp_path), table=table()) as here:
        await here.world.queue.add("teleport/web-1")
        await here.quiet()
        assert "teleport/web-1" not in {one.key for one in await here.world.queue.waiting()}


async def test_a_key_that_another_worker_took_over_is_left_to_it(tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    async def slow(_world: World, _name: str) -> Result:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return Done()

    async with estate(Land(tmp_path), table=table(repo=slow)) as here:
        await here.world.add(REPO)
        await here.until(lambda: here.world.counts.busy == 1)
        claim = here.world.queue._entries["repo/app"].claim  # type: ignore[attr-defined]
        await here.world.queue.done(claim)
        await asyncio.wait_for(cancelled.wait(), 5)
        await here.until(lambda: here.world.counts.busy == 0)


async def test_what_is_due_later_comes_back_then(tmp_path: Path) -> None:
    seen: list[str] = []

    async def later(world: World, name: str) -> Result:
        seen.append(f"{world.rooms.clock.now()} {name}")
        return After(500.0, "its interval")

    async with estate(Land(tmp_path), table=table(repo=later)) as here:
        await here.world.add(REPO)
        await here.until(lambda: len(seen) == 1)
        await here.quiet()
        here.land.clock.shift(499)
        await here.quiet()
        assert len(seen) == 1
        here.land.clock.shift(2)
        await here.until(lambda: len(seen) == 2)


async def test_every_key_is_added_again_and_again(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()
        for key in ("repo/app", "server/web-1", "target/shop"):
            await here.world.queue.drop(key)
        before = here.world.counts.reconciled["target", "done"].count
        land.clock.shift(EVERY_SECONDS + 1)
        await here.until(lambda: here.world.counts.reconciled["target", "done"].count > before)
        await here.quiet()
        keys = {one.key for one in await here.world.queue.waiting()}
        assert {"repo/app", "server/web-1"} <= keys
        assert len(land.worked) == 2


async def test_draining_begins_no_run_and_waits_for_those_under_way(tmp_path: Path) -> None:
    land = Land(tmp_path, slow={"web-1": 0.5, "web-2": 0.5})
    land.declare(SHOP)
    async with estate(land) as here:
        await here.until(lambda: len(land.worked) == 2)
        await asyncio.wait_for(here.worker.drain(), 5)
        assert all(job.state.ended for job in await here.jobs())
        await here.push("2")
        await here.quiet()
        assert len(land.worked) == 2
        assert [job.state.value for job in await here.jobs()].count("pending") == 2


@pytest.mark.parametrize("fails", [0, 5, 50, 5000])
async def test_no_pause_is_nothing_and_none_is_endless(tmp_path: Path, fails: int) -> None:
    async with estate(Land(tmp_path), begin=False) as here:
        for error in (SourceError("x"), ControllerError("x"), RefusedError("x"), OSError("x")):
            wait = await wait_for(here.world, REPO, error, fails)
            assert 0.5 <= wait.seconds <= STALLED_SECONDS
