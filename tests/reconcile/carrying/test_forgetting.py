"""Forgetting: first there, then here; servers that left are reached once more where they answer, and never waited for."""

from pathlib import Path

from tests.fakes.house import House, Town, house

BOTH = """\
tasks: {work: {run: 'work'}, undo: {run: 'undo'}}
targets: {t: {servers: all, task: work%s}, u: {servers: all, task: work%s}}
"""
TWO = "servers: {web-1: {}, web-2: {address: 10.0.0.2}}\n"
ONE = "servers: {web-1: {}}\n"
PLAIN = BOTH % ("", "")
UNDOING = BOTH % ((", on_remove: {run: undo}",) * 2)
OVER = {"budget-removals": "the server was sold"}


async def applied(h: House, text: str = PLAIN) -> None:
    h.declare(text, TWO)
    await h.apply()
    h.town.opened.clear()
    h.town.worked.clear()


async def test_a_server_that_left_loses_its_markers_while_it_still_answers(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h)
        h.declare(PLAIN, ONE)
        report = (await h.apply(overrides=OVER)).report
        assert report.forgotten == 2
        assert h.town.markers("web-2") == set()
        assert h.town.markers("web-1") == {"t", "u"}
        assert {server for _, server in await h.records()} == {"web-1"}
        assert h.events()[-1] == "pair-forgotten"
        h.town.opened.clear()
        assert (await h.plan()).changes == ()
        assert h.town.opened == ["web-1"]


async def test_a_server_that_left_and_is_gone_is_forgotten_all_the_same(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h)
        h.town.fleet.lay_down("web-2")
        h.declare(PLAIN, ONE)
        assert (await h.apply(overrides=OVER)).report.forgotten == 2
        assert {server for _, server in await h.records()} == {"web-1"}
        assert h.town.opened.count("web-2") == 1  # by the plan


async def test_a_server_that_goes_while_it_is_forgotten_is_not_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h)
        h.declare(PLAIN, ONE)

        def go(server: str, what: str, early: bool) -> None:
            if what == "forget_target" and early and server == "web-2":
                h.town.fleet.lay_down(server)

        h.town.fleet.disturb = go
        assert (await h.apply(overrides=OVER)).report.forgotten == 2


async def test_a_declared_server_that_does_not_answer_keeps_its_record(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h)
        h.town.fleet.lay_down("web-2")
        h.declare(PLAIN.replace(", u: {servers: all, task: work}", ""))
        assert (await h.apply()).report.forgotten == 1
        assert ("u", "web-2") in await h.records()
        h.town.fleet.stand_up("web-2")
        assert (await h.apply()).report.forgotten == 1
        assert h.town.markers("web-2") == {"t"}


async def test_a_marker_that_changed_after_the_plan_stays(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h)
        h.declare(PLAIN.replace(", u: {servers: all, task: work}", ""))

        def meanwhile(server: str, what: str, early: bool) -> None:
            if what == "forget_target" and early and server == "web-1":
                h.town.fleet.machine(server).markers["main", "u"] += b" "

        h.town.fleet.disturb = meanwhile
        assert (await h.apply()).report.forgotten == 1
        assert "u" in h.town.markers("web-1")
        assert ("u", "web-1") in await h.records()
        kept = next(line for line in h.told() if line.event == "pair-kept")
        assert "no longer as it was seen" in str(kept.fields["reason"])


async def test_one_machine_under_a_new_name_keeps_what_lies_there(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h)
        h.town.fleet.machines["db-1"] = h.town.fleet.machines["web-2"]
        h.declare(PLAIN, "servers: {web-1: {}, db-1: {address: 10.0.0.2}}\n")
        await h.apply(overrides=OVER)
        assert "web-2" not in h.town.opened
        assert h.town.markers("db-1") == {"t", "u"}
        assert h.town.worked == []
        assert {server for _, server in await h.records()} <= {"web-1", "db-1"}
        assert (await h.plan()).changes == ()


async def test_an_undo_runs_on_a_server_that_left(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h, UNDOING)
        h.declare(UNDOING, ONE)
        await h.apply(overrides=OVER)
        assert sorted(h.town.worked) == [("t", "web-2"), ("u", "web-2")]
        assert h.town.markers("web-2") == set()
        assert {server for _, server in await h.records()} == {"web-1"}
        assert (await h.plan()).changes == ()


async def test_an_undo_runs_where_the_marker_says_nothing_any_more(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await applied(h, UNDOING)
        h.town.fleet.machine("web-1").markers["main", "u"] = b"scrambled"
        h.declare(UNDOING.replace(", u: {servers: all, task: work, on_remove: {run: undo}}", ""))
        await h.apply()
        assert sorted(h.town.worked) == [("u", "web-1"), ("u", "web-2")]
        assert (await h.plan()).changes == ()


async def test_a_fresh_state_forgets_what_another_state_put_there(tmp_path: Path) -> None:
    town = Town()
    async with house(tmp_path / "one", town) as h, house(tmp_path / "two", town) as fresh:
        await applied(h)
        fresh.declare(PLAIN.replace(", u: {servers: all, task: work}", ""), TWO)
        assert (await fresh.apply()).report.forgotten == 2
        assert town.markers("web-1") == town.markers("web-2") == {"t"}
        assert town.worked == []
