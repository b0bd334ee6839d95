"""The config repository under a real `ctl serve`, looked at by command, and its rewritten history accepted by one."""

import shutil

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import serving
from tests.e2e.test_serve import declare


def test_people_have_it_looked_at_and_accept_its_rewind(fleet: Fleet) -> None:
    log = declare(fleet, "echo one >> LOG")
    with serving(fleet) as served:
        wait_for(lambda: served.in_sync() and log.exists(), seconds=20)
        first = fleet.config.head
        said = served.ctl("check", "config").ended(0).all
        assert f"{first[:7]} in force, nothing newer" in said
        declare(fleet, "echo two >> LOG")
        second = fleet.config.head
        found = served.ctl("check", "config", "-o", "json").ended(0).json
        assert (found["previous"], found["in_force"]) == (first, second)
        wait_for(lambda: log.read_text() == "one\ntwo\n", seconds=20)
        fleet.config.git("reset", "--quiet", "--hard", f"{first}")
        fleet.config.commit({"note.txt": "another way on"})
        refused = served.ctl("check", "config").ended(1).all
        assert "history-rewound" in refused
        assert "ctl check config --accept-rewind --reason TEXT" in refused
        served.ctl("check", "config", "--accept-rewind").ended(64)
        words = ("--accept-rewind", "--reason", "a secret was in it")
        said = served.ctl("check", "config", *words).ended(0).all
        assert f"{fleet.config.head[:7]} in force, {second[:7]} before" in said
        wait_for(lambda: log.read_text() == "one\ntwo\none\n", seconds=20)
        events = [one for one in fleet.events() if "rewind" in str(one["event"])]
        assert [one["event"] for one in events] == ["rewind-accepting", "rewind-accepted"]
        assert {one["reason"] for one in events} == {"a secret was in it"}
    assert "only a controller that stays" in fleet.ctl("check", "config").ended(64).all


def test_a_restored_state_that_serves_begins_when_it_is_released(fleet: Fleet) -> None:
    log = declare(fleet, "echo one >> LOG")
    fleet.ctl("run", "a", "--on", "here").ended(0)
    file = fleet.folder / "state.tar.gz"
    fleet.ctl("backup", str(file)).ended(0)
    shutil.rmtree(fleet.state)
    fleet.ctl("restore", str(file)).ended(0)
    with serving(fleet) as served:
        wait_for(lambda: "restored from a backup" in served.ctl("status").all, seconds=20)
        assert log.read_text() == "one\n"
        served.ctl("restore", str(file), "--controller", served.url).ended(64)
        said = served.ctl("restore", "--release", "--reason", "looked").ended(0).all
        assert "it was held: restored from a backup" in said
        wait_for(served.in_sync, seconds=20)
        assert log.read_text() == "one\none\n"
