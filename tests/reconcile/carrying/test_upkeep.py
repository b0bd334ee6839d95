"""What changes without a job: renamed pairs move, and what is kept for the day of removal follows the declaration."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.jobs.marker import decode_marker
from controller.model.applied import Applied
from controller.model.declaration import OnRemove
from controller.model.ids import Sha
from controller.reconcile.carrying.upkeep import keep_in_step
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import PLAN, walk
from tests.fakes.house import House, Town, house

TASKS = "tasks: {work: {run: 'work'}, undo: {run: 'undo'}}\n"
PLAIN = TASKS + "targets: {t: {servers: all, task: work}}\n"
RENAMED = TASKS + "targets: {u: {servers: all, task: work, was: t}}\n"


def marker(h: House, target: str, server: str = "web-1") -> Applied:
    data = h.town.fleet.machine(server).markers["main", target]
    return decode_marker(data, target=target, server=server)


async def in_sync(h: House) -> bool:
    return (await h.plan()).changes == ()


async def test_a_renamed_target_moves_marker_and_record_and_runs_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=3)
        await h.apply()
        before = await h.records()
        h.town.worked.clear()
        h.declare(RENAMED)
        assert await in_sync(h)
        await h.apply()
        assert h.town.worked == []
        assert [h.town.markers(f"web-{n}") for n in (1, 2, 3)] == [{"u"}] * 3
        after = await h.records()
        assert set(after) == {("u", f"web-{n}") for n in (1, 2, 3)}
        old = before["t", "web-1"]
        assert after["u", "web-1"] == replace(old, target="u", connection=old.connection)
        assert h.events().count("pair-moving") == h.events().count("pair-moved") == 3
        h.declare(RENAMED.replace(", was: t", ""))
        assert await in_sync(h)


async def test_a_renamed_target_with_other_inputs_runs_and_leaves_nothing_of_its_old_name(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=1)
        await h.apply()
        h.declare(RENAMED.replace("'work'", "'more work'"))
        await h.apply()
        assert h.town.worked == [("t", "web-1"), ("u", "web-1")]
        assert h.town.markers("web-1") == {"u"}
        assert set(await h.records()) == {("u", "web-1")}
        assert await in_sync(h)


async def test_a_renamed_server_keeps_its_markers_and_is_opened_once(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, "servers: {old: {address: 10.0.0.1}}\n")
        await h.apply()
        # The fleet knows machines by name: the one machine goes by its new name from now on.
        h.town.fleet.machines["new"] = h.town.fleet.machines["old"]
        h.town.opened.clear()
        h.declare(PLAIN, "servers: {new: {address: 10.0.0.1, was: old}}\n")
        await h.apply()
        assert h.town.opened == ["new"]
        assert h.town.worked == [("t", "old")]
        records = await h.records()
        assert set(records) == {("t", "new")}
        assert await in_sync(h)


@pytest.mark.parametrize("step", ["claim_target", "release_target", "forget_target"])
@pytest.mark.parametrize("before", [True, False])
async def test_a_move_that_is_cut_off_anywhere_is_found_again_and_ended(
    tmp_path: Path, step: str, before: bool
) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=1)
        await h.apply()
        h.declare(RENAMED)
        fuse = [True]

        def disturb(server: str, what: str, early: bool) -> None:
            if (what, early) == (step, before) and fuse and fuse.pop():
                h.town.fleet.cut(server)

        h.town.fleet.disturb = disturb
        await h.apply()
        assert fuse == []
        assert "pair-kept" in h.events()
        assert set(await h.records()) == {("t", "web-1")}
        h.town.fleet.machine("web-1").locks.clear()  # nothing runs under it: it is free to be taken
        await h.apply()
        assert h.town.markers("web-1") == {"u"}
        assert set(await h.records()) == {("u", "web-1")}
        assert len(h.town.worked) == 1
        assert await in_sync(h)


async def test_a_crash_between_the_new_record_and_the_old_one_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=2)
        await h.apply()
        h.declare(RENAMED)

        async def crash(_pairs: object) -> None:
            raise StateError("cannot write any more")

        with monkeypatch.context() as broken:
            broken.setattr(h.rooms.store.records, "forget", crash)
            with pytest.raises(StateError):
                await h.apply()
        assert len(await h.records()) == 4
        assert await in_sync(h)
        await h.apply()
        assert set(await h.records()) == {("u", "web-1"), ("u", "web-2")}
        assert len(h.town.worked) == 2


async def test_a_renamed_pair_whose_server_does_not_answer_waits_as_a_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=2)
        await h.apply()
        h.declare(RENAMED)
        h.town.fleet.lay_down("web-2")
        await h.apply()
        assert set(await h.records()) == {("u", "web-1"), ("t", "web-2")}
        h.town.fleet.stand_up("web-2")
        await h.apply()
        assert set(await h.records()) == {("u", "web-1"), ("u", "web-2")}
        assert h.town.markers("web-2") == {"u"}


async def test_what_was_not_picked_is_not_moved(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=2)
        await h.apply()
        h.declare(RENAMED)
        await h.apply(limit="web-1")
        assert set(await h.records()) == {("u", "web-1"), ("t", "web-2")}
        assert h.town.markers("web-2") == {"t"}


async def test_no_more_servers_are_opened_at_once_than_may_be(tmp_path: Path) -> None:
    async with house(tmp_path, parallel=2) as h:
        h.declare(PLAIN, servers=8)
        await h.apply()
        h.declare(RENAMED)
        most = 0

        def count(_server: str, _what: str, _before: bool) -> None:
            nonlocal most
            most = max(most, sum(len(one.sessions) for one in h.town.fleet.machines.values()))

        h.town.fleet.disturb = count
        await h.apply()
        assert set(await h.records()) == {("u", f"web-{n}") for n in range(1, 9)}
        assert most == 2


async def test_protection_and_undo_reach_record_and_marker_of_what_is_in_sync(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=1)
        await h.apply()
        wishes = "protect: true, on_remove: {run: undo}"
        h.declare(PLAIN.replace("task: work}", f"task: work, {wishes}}}"))
        await h.apply()
        assert len(h.town.worked) == 1
        for kept in (marker(h, "t"), (await h.records())["t", "web-1"]):
            assert (kept.protect, kept.on_remove) == (True, OnRemove.RUN)
            assert kept.undo is not None
            assert kept.undo.task == "undo"
        assert h.town.fleet.machine("web-1").locks == {}
        h.declare(TASKS + "targets: {other: {servers: all, task: work}}\n")
        assert "protect" in {c.blocked_by.gate for c in (await h.plan()).changes if c.blocked_by}


async def test_protection_of_a_server_that_does_not_answer_waits(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=1)
        await h.apply()
        h.declare(PLAIN.replace("task: work}", "task: work, protect: true}"))
        h.town.fleet.lay_down("web-1")
        await h.apply()
        assert not (await h.records())["t", "web-1"].protect
        h.town.fleet.stand_up("web-1")
        await h.apply()
        assert (await h.records())["t", "web-1"].protect
        assert marker(h, "t").protect


async def test_how_a_server_is_reached_is_kept_without_opening_it_once_more(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, "servers: {web-1: {address: 10.0.0.1}}\n")
        await h.apply()
        h.town.opened.clear()
        h.declare(PLAIN, "servers: {web-1: {address: 10.0.0.2}}\n")
        await h.apply()
        connection = (await h.records())["t", "web-1"].connection
        assert connection is not None
        assert connection.address == "10.0.0.2"
        assert h.town.opened == ["web-1"]  # by the plan


async def test_a_fresh_state_keeps_what_it_needs_for_the_day_a_server_leaves(
    tmp_path: Path,
) -> None:
    town = Town()
    text = PLAIN.replace("task: work}", "task: work, on_remove: {run: undo}}")
    async with house(tmp_path / "one", town) as h, house(tmp_path / "two", town) as fresh:
        for each in (h, fresh):
            each.declare(text, "servers: {web-1: {}, web-2: {address: 10.0.0.2}}\n")
        await h.apply()
        town.opened.clear()
        assert (await fresh.apply()).report.run is None
        assert sorted(town.opened) == ["web-1", "web-2"]  # by the plan
        assert set(await fresh.records()) == {("t", "web-1"), ("t", "web-2")}
        town.worked.clear()
        fresh.declare(text, "servers: {web-1: {}}\n")
        await fresh.apply(overrides={"budget-removals": "sold"})
        assert town.worked == [("t", "web-2")]
        assert town.markers("web-2") == set()


async def test_all_that_is_refreshed_is_one_change_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, "servers: {'web-[1:9]': {ssh: {port: 22}}}\n")
        await h.apply()
        h.declare(PLAIN, "servers: {'web-[1:9]': {ssh: {port: 2222}}}\n")
        put, puts = h.rooms.store.records.put, list[int]()

        async def counted(records: list[Applied]) -> None:
            puts.append(len(records))
            await put(records)

        monkeypatch.setattr(h.rooms.store.records, "put", counted)
        await h.apply()
        assert puts == [9]
        await h.apply()
        assert puts == [9]


async def test_a_marker_that_somebody_wrote_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=1)
        await h.apply()
        h.declare(PLAIN.replace("task: work}", "task: work, protect: true}"))
        theirs = h.town.fleet.machine("web-1").markers["main", "t"].replace(b"tester", b"others")

        def meanwhile(server: str, what: str, early: bool) -> None:
            if what == "claim_target" and early:
                h.town.fleet.machine(server).markers["main", "t"] = theirs

        h.town.fleet.disturb = meanwhile
        await h.apply()
        assert h.town.fleet.machine("web-1").markers["main", "t"] == theirs
        assert "pair-kept" in h.events()
        assert not (await h.records())["t", "web-1"].protect


async def test_what_a_job_wrote_since_the_plan_was_made_is_not_written_over(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(PLAIN, servers=2)
        await h.apply()
        h.declare(PLAIN, "servers: {web-1: {address: 10.0.0.1}, web-2: {address: 10.0.0.2}}\n")
        seen = await walk(h.rooms, Seen(), PLAN)
        newer = replace((await h.records())["t", "web-1"], commit=Sha("c" * 40))
        await h.rooms.store.records.put([newer])
        await keep_in_step(h.rooms, seen, plan_of(seen))
        after = await h.records()
        assert after["t", "web-1"] == newer
        reached = after["t", "web-2"].connection
        assert reached is not None
        assert reached.address == "10.0.0.2"
