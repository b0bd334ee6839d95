"""A change that cuts its own branch off is undone by the server itself; one that is confirmed stays."""

import os
import signal
import time

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for


def declare(fleet: Fleet, *, within: str, run: str, n: int = 1) -> None:
    conf = fleet.folder / "net.conf"
    fleet.declare(
        f"tasks:\n  net:\n    files: [{{path: {conf}, content: new-{n}}}]\n    run: '{run}'\n"
        f"    revert: {{run: 'echo old > {conf}; echo \"reverted by $CTL_SERVER\" >> {fleet.folder}/log'}}\n"
        f"targets: {{net: {{servers: web-1, task: net, rollout: {{confirm: {within}}}}}}}\n"
    )


def conf(fleet: Fleet) -> str:
    file = fleet.folder / "net.conf"
    return file.read_text().strip() if file.exists() else ""


def test_a_change_that_is_confirmed_over_a_new_connection_is_kept(ships: Fleet) -> None:
    declare(ships, within="2s", run="true")
    ships.ctl("apply", "-y").ended(0)
    assert conf(ships) == "new-1"
    time.sleep(3)
    assert conf(ships) == "new-1"
    assert not (ships.folder / "log").exists()
    ships.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_step_that_fails_is_undone_at_once(ships: Fleet) -> None:
    declare(ships, within="60s", run="false")
    began = time.monotonic()
    ships.ctl("apply", "-y").ended(5)
    assert time.monotonic() - began < 20
    assert conf(ships) == "old"
    assert (ships.folder / "log").read_text() == "reverted by web-1\n"
    ships.ctl("plan", "--detailed-exitcode").ended(4)


@pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.sweep), "cut"])
def test_a_change_that_nobody_can_confirm_is_undone_by_the_server(ships: Fleet, how: str) -> None:
    sshd = ships.servers["web-1"]
    door = sshd.loopback.process.pid
    declare(ships, within="2s", run=f"touch {ships.folder}/reached; sleep 0.3")
    applying = ships.spawn("apply", "-y")
    wait_for((ships.folder / "reached").exists)
    if how == "killed":
        applying.kill()
        finished(applying)
    else:  # the change shuts the door: no new connection, and the old one dies
        os.kill(door, signal.SIGSTOP)
        sshd.kill_sessions()
    try:
        wait_for(lambda: conf(ships) == "old", seconds=15)
    finally:
        if how == "cut":
            os.kill(door, signal.SIGCONT)
    if how == "cut":
        finished(applying).ended(5)
    ships.ctl("apply", "-y")
    assert (ships.folder / "log").read_text() == "reverted by web-1\n"
    (job,) = [one for one in ships.jobs() if one["target"] == "net"]
    assert (job["state"], job["reason"]) == ("failed", "Reverted")
    assert conf(ships) == "old"
    ships.ctl("plan", "--detailed-exitcode").ended(4)
    ships.ctl("apply", "-y").ended(4)
    # a changed input is a new try
    declare(ships, within="30s", run="true", n=2)
    ships.ctl("apply", "-y").ended(0)
    assert conf(ships) == "new-2"
