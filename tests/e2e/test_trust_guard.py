"""Removals and the guard: nothing vanishes in silence, nothing protected goes, and no slip of the pen takes a fleet along."""

import pytest

from tests.e2e.fleet import Fleet
from tests.fakes.sshd import Sshd

WORK = "tasks:\n  work: {{run: 'echo $CTL_TARGET >> {log}'}}\n  undo: {{run: 'echo undo-$CTL_SERVER >> {log}'}}\n"


def declare(
    fleet: Fleet, targets: str, *, settings: str = "", inventory: str | None = None
) -> None:
    """Declare targets, one a line."""
    text = WORK.format(log=fleet.folder / "log")
    listed = "".join(f"  {line}\n" for line in targets.splitlines())
    files = {
        "ctl.yaml": f"settings:\n  name: {fleet.project}\n{settings}",
        "pipelines/main.yaml": text + ("targets:\n" + listed if listed else ""),
        "inventory/servers.yaml": inventory or fleet.inventory(),
    }
    fleet.config.commit(files, author="Operations")


def lines(fleet: Fleet) -> list[str]:
    log = fleet.folder / "log"
    return log.read_text().split() if log.exists() else []


def many(number: int) -> str:
    return "\n".join(f"t{i:02}: {{servers: here, task: work}}" for i in range(number))


def refused(fleet: Fleet, limit: str, *numbers: str) -> None:
    """Demand that a plan shows the limit and `apply` refuses, until it is passed over with a reason; that counts once."""
    assert limit in fleet.ctl("plan").ended(0).out
    said = fleet.ctl("apply", "-y").ended(4).err
    assert f"--override {limit} --reason" in said
    for number in numbers:
        assert number in said
    fleet.ctl("apply", "-y", "--override", limit).ended(64)
    fleet.ctl("apply", "-y", "--override", "window", "--reason", "wrong one").ended(4)
    fleet.ctl("apply", "-y", "--override", limit, "--reason", "planned").ended(0)
    logged = [(one["gate"], one["reason"]) for one in fleet.events() if one["event"] == "override"]
    assert logged[-1] == (limit, "planned")
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


# --- the guard -------------------------------------------------------------------------------------------------------


def test_no_targets_at_all_is_a_slip_of_the_pen_until_somebody_says_otherwise(fleet: Fleet) -> None:
    declare(fleet, many(3))
    fleet.ctl("apply", "-y").ended(0)
    declare(fleet, "")
    refused(fleet, "zero-declarations", "3")
    assert not fleet.marker("t00").exists()


@pytest.mark.sweep
def test_many_removals_at_once_are_refused_and_few_are_not(fleet: Fleet) -> None:
    declare(fleet, many(20))
    fleet.ctl("apply", "-y").ended(0)
    declare(fleet, many(20 - 9))
    fleet.ctl("apply", "-y").ended(0)  # fewer than ten are no alarm
    declare(fleet, many(1))
    refused(fleet, "budget-removals", "10", "11", "30%")


def test_a_declared_budget_of_removals_and_of_servers_holds(ships: Fleet) -> None:
    settings = "  budget: {removals: 0, servers: 2}\n"
    declare(ships, "a: {servers: fleet, task: work}\nb: {servers: web-1, task: work}", settings=settings)  # fmt: skip
    ships.ctl("apply", "-y").ended(0)
    declare(ships, "a: {servers: fleet, task: work}", settings=settings)
    refused(ships, "budget-removals", "1")
    declare(
        ships, "a: {servers: fleet, task: work}\nc: {servers: all, task: work}", settings=settings
    )
    refused(ships, "budget-servers", "3", "2")
    assert "budget-servers" in ships.ctl("run", "--target", "c").ended(4).err


# --- removals --------------------------------------------------------------------------------------------------------


def test_a_target_that_is_gone_is_forgotten_kept_or_undone_as_it_was_declared(
    ships: Fleet,
) -> None:
    declare(
        ships,
        "forgotten: {servers: fleet, task: work}\n"
        "kept: {servers: web-1, task: work, on_remove: block}\n"
        "undone: {servers: fleet, task: work, on_remove: {run: undo}}\n"
        "guarded: {servers: web-2, task: work, protect: true}\n"
        "stays: {servers: web-1, task: work}",
    )
    ships.ctl("apply", "-y").ended(0)
    (ships.folder / "log").unlink()
    # every block goes, and the tasks with them
    only_work = WORK.format(log=ships.folder / "log").rpartition("  undo")[0]
    stays = "targets: {stays: {servers: web-1, task: work}}\n"
    ships.config.commit({"pipelines/main.yaml": only_work + stays})
    plan = ships.ctl("plan", "--detailed-exitcode").ended(2)
    for word in ("undone", "forgotten", "kept", "guarded", "Removals", "echo undo-"):
        assert word in plan.out
    assert "4 to remove" in plan.summary
    ships.ctl("apply", "-y").ended(4)  # the protected ones are held
    assert sorted(lines(ships)) == ["undo-web-1", "undo-web-2"]
    for target in ("forgotten", "undone"):
        for server in ("web-1", "web-2"):
            assert not ships.marker(target, server).exists()
    assert ships.marker("kept", "web-1").exists()
    assert ships.marker("guarded", "web-2").exists()
    plan = ships.ctl("plan", "--detailed-exitcode").ended(4)
    assert "protect: true" in plan.out
    assert "on_remove: block" in plan.out
    ships.ctl("apply", "-y", "--override", "protect", "--reason", "over").ended(0)
    assert not ships.marker("kept", "web-1").exists()
    assert not ships.marker("guarded", "web-2").exists()
    assert len(lines(ships)) == 2


def test_a_server_that_left_the_pattern_or_the_inventory_is_undone_there(ships: Fleet) -> None:
    declare(ships, "t: {servers: fleet, task: work, on_remove: {run: undo}}")
    ships.ctl("apply", "-y").ended(0)
    declare(ships, "t: {servers: web-1, task: work, on_remove: {run: undo}}")
    ships.ctl("apply", "-y").ended(0)
    assert lines(ships)[2:] == ["undo-web-2"]
    declare(
        ships, "t: {servers: here, task: work, on_remove: {run: undo}}",
        inventory="servers: {here: {local: {}}}\nsecrets:\n"
        + ships.inventory().partition("secrets:\n")[2],
    )  # fmt: skip
    plan = ships.ctl("plan", "--detailed-exitcode").ended(2)
    assert "web-1" in plan.out
    ships.ctl("apply", "-y").ended(0)
    assert sorted(lines(ships)[3:]) == ["t", "undo-web-1"]
    assert not ships.marker("t", "web-1").exists()
    ships.ctl("plan", "--detailed-exitcode").ended(0)


def test_an_undo_that_fails_keeps_what_is_known_and_is_not_tried_for_ever(fleet: Fleet) -> None:
    text = "tasks: {{work: {{run: 'true'}}, undo: {{run: 'echo try >> {log}; test -e {ok}'}}}}\n"
    text = text.format(log=fleet.folder / "log", ok=fleet.folder / "ok")
    both = "targets: {t: {servers: here, task: work, on_remove: {run: undo}}, s: {servers: here, task: work}}\n"
    fleet.declare(text + both)
    fleet.ctl("apply", "-y").ended(0)
    fleet.declare("tasks: {work: {run: 'true'}}\ntargets: {s: {servers: here, task: work}}\n")
    fleet.ctl("apply", "-y").ended(2)
    assert fleet.marker("t").exists()
    fleet.ctl("apply", "-y").ended(4)
    assert lines(fleet) == ["try"]
    (fleet.folder / "ok").touch()
    fleet.ctl("jobs", "retry", "@last").ended(0)
    assert not fleet.marker("t").exists()
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_an_undo_is_still_known_to_a_state_that_begins_anew(ships: Fleet) -> None:
    declare(ships, "t: {servers: web-1, task: work, on_remove: {run: undo}}\ns: {servers: web-2, task: work}")  # fmt: skip
    ships.ctl("apply", "-y").ended(0)
    declare(ships, "s: {servers: web-2, task: work}")
    fresh = ships.folder / "fresh"
    plan = ships.ctl("plan", state=fresh).ended(0)
    assert "t on web-1" in plan.out or "t (" in plan.out
    ships.ctl("apply", "-y", state=fresh).ended(0)
    assert "undo-web-1" in lines(ships)
    assert not ships.marker("t", "web-1").exists()


@pytest.mark.parametrize("how", ["target", "server"])
def test_a_new_name_with_was_runs_and_removes_nothing_and_takes_the_records_along(
    ships: Fleet, how: str, sshds: dict[str, Sshd]
) -> None:
    declare(ships, "t: {servers: web-1, task: work, on_remove: {run: undo}, protect: true}")
    ships.ctl("apply", "-y").ended(0)
    text = ships.inventory()
    if how == "target":
        new = "renamed: {was: t, servers: web-1, task: work, on_remove: {run: undo}, protect: true}"
        declare(ships, new)
        key = ("renamed", "web-1")
    else:
        text = text.replace("  web-1:\n", "  www-1:\n    was: web-1\n")
        new = "t: {servers: www-1, task: work, on_remove: {run: undo}, protect: true}"
        declare(ships, new, inventory=text)
        key = ("t", "web-1")
    ships.ctl("plan", "--detailed-exitcode").ended(0)
    ships.ctl("apply", "-y").ended(0)
    assert lines(ships) == ["t"]
    assert ships.marker(*key).exists()
    if how == "target":
        assert not ships.marker("t", "web-1").exists()
        declare(ships, new.replace("was: t, ", ""))  # the word is needed once only
    else:
        declare(ships, new, inventory=text.replace("    was: web-1\n", ""))
    ships.ctl("plan", "--detailed-exitcode").ended(0)
    ships.ctl("plan", "--detailed-exitcode", state=ships.folder / "fresh").ended(0)
    assert lines(ships) == ["t"]


def test_a_task_that_is_used_by_its_old_name_says_the_new_one(fleet: Fleet) -> None:
    fleet.declare(
        "tasks:\n  new: {was: old, run: 'true'}\ntargets:\n  t: {servers: here, task: old}\n"
    )
    said = fleet.ctl("validate").ended(1)
    assert "new" in said.all
    assert "called" in said.all
