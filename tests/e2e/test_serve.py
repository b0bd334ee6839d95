"""`ctl serve`: commits are carried out without being asked, and nothing it was killed in is lost or begun twice."""

import signal
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import begin, begun_reading, serving, token_of


def declare(fleet: Fleet, run: str, *, more: str = "", target: str = "") -> Path:
    """Declare one target here; give the file to which its command writes."""
    log = fleet.folder / "log"
    command = run.replace("LOG", str(log))
    fleet.declare(
        f"tasks: {{a: {{run: '{command}'}}}}\n"
        f"targets: {{t: {{servers: here, task: a{target}}}}}\n{more}"
    )
    return log


def test_a_commit_is_carried_out_without_being_asked(fleet: Fleet) -> None:
    log = declare(fleet, "echo one >> LOG")
    with serving(fleet) as served:
        wait_for(lambda: served.in_sync() and log.exists(), seconds=20)
        (job,) = served.jobs()
        assert (job["state"], job["trigger"]) == ("succeeded", "inputs")
        declare(fleet, "echo two >> LOG")
        served.look()
        wait_for(lambda: log.read_text() == "one\ntwo\n", seconds=20)
        wait_for(served.in_sync)
    assert log.read_text() == "one\ntwo\n"


def test_declarations_with_errors_change_nothing_and_are_told(fleet: Fleet) -> None:
    log = declare(fleet, "echo one >> LOG")
    with serving(fleet) as served:
        wait_for(lambda: served.in_sync() and log.exists(), seconds=20)
        fleet.config.commit({"pipelines/main.yaml": "targets: {t: {servers: nowhere, task: a}}\n"})
        served.look()
        wait_for(lambda: served.ctl("status").code == 1, seconds=20)
        said = served.ctl("status").ended(1).all
        assert said.count("cannot find a server or group nowhere\n  at") == 1
        assert served.in_sync()
        assert served.ctl("plan").ended(0).summary.startswith("No changes.")
        declare(fleet, "echo two >> LOG")
        served.look()
        wait_for(lambda: log.read_text() == "one\ntwo\n", seconds=20)
        served.ctl("status").ended(0)


@pytest.mark.sweep
def test_a_controller_whose_first_declarations_are_wrong_says_so_by_every_way(fleet: Fleet) -> None:
    fleet.declare("targets: {t: {servers: nowhere, task: a}}\n")
    with serving(fleet) as served:
        wait_for(lambda: "nowhere" in served.ctl("status").all, seconds=20)
        code, told = served.ask("/api/v1/status")
        assert isinstance(told, dict)
        assert (code, told["in_force"], told["targets"]) == (200, None, [])
        assert told["invalid"]["diagnostics"]
        assert "\nctl_declarations_invalid 1.0\n" in str(served.ask("/metrics", token=None)[1])
        code, page = served.ask("/", token=None)
        assert (code, "No declarations are in force yet" in str(page)) == (200, True)
        code, told = served.ask("/api/v1/drift")
        assert isinstance(told, dict)
        assert (code, told["reference"]) == (503, "no-declarations")
        declare(fleet, "true")
        served.look()
        wait_for(served.in_sync, seconds=20)


def test_a_killed_controller_takes_up_what_runs_and_begins_nothing_twice(fleet: Fleet) -> None:
    log = declare(fleet, "echo begun >> LOG; sleep 4; echo ended >> LOG")
    with serving(fleet) as served:
        wait_for(log.exists, seconds=20)
        served.kill()
    with serving(fleet, token=token_of(fleet)) as again:
        wait_for(again.in_sync, seconds=30)
        assert log.read_text() == "begun\nended\n"
        (job,) = again.jobs()
        assert job["state"] == "succeeded"
    fleet.ctl("logs", "verify").ended(0)


@pytest.mark.sweep
def test_a_stop_leaves_jobs_running_and_the_next_start_collects_them(fleet: Fleet) -> None:
    log = declare(fleet, "echo begun >> LOG; sleep 3; echo ended >> LOG")
    with serving(fleet) as served:
        wait_for(log.exists, seconds=20)
        assert served.stop() == 0
    assert log.read_text() == "begun\n"
    with serving(fleet, token=token_of(fleet)) as again:
        wait_for(again.in_sync, seconds=30)
    assert log.read_text() == "begun\nended\n"


@pytest.mark.sweep
def test_a_stop_with_drain_waits_for_what_runs(fleet: Fleet) -> None:
    log = declare(fleet, "echo begun >> LOG; sleep 3; echo ended >> LOG")
    with serving(fleet, "--drain") as served:
        wait_for(log.exists, seconds=20)
        assert served.stop() == 0
    assert log.read_text() == "begun\nended\n"
    (job,) = fleet.jobs()
    assert job["state"] == "succeeded"


@pytest.mark.sweep
def test_a_second_signal_ends_at_once(fleet: Fleet) -> None:
    log = declare(fleet, "echo begun >> LOG; sleep 20")
    with serving(fleet, "--drain") as served:
        wait_for(log.exists, seconds=20)
        served.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in served.text)
        assert served.stop() == 130


def test_a_state_has_one_controller(fleet: Fleet) -> None:
    declare(fleet, "true")
    with serving(fleet) as served:
        wait_for(served.in_sync, seconds=20)
        refused = fleet.run("serve", "--listen", "127.0.0.1:0")
        assert refused.code == 4
        assert f"pid {served.process.pid}" in refused.all
        assert "cannot act on this state" in fleet.ctl("apply", "-y").ended(4).all
        fleet.ctl("plan").ended(0)


@pytest.mark.sweep
def test_a_restored_state_serves_and_starts_nothing_until_told(fleet: Fleet) -> None:
    log = declare(fleet, "echo one >> LOG")
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("backup", str(fleet.folder / "b.tar.gz")).ended(0)
    other = fleet.folder / "other"
    fleet.ctl("restore", str(fleet.folder / "b.tar.gz"), "--state", str(other)).ended(0)
    declare(fleet, "echo two >> LOG")
    with serving(fleet, "--state", str(other)) as served:
        wait_for(lambda: served.sync() == "pending", seconds=20)
        refused = served.ctl("apply", "-y").ended(4)
        assert "restored from a backup" in refused.all
        assert log.read_text() == "one\n"


def test_parts_as_processes_need_a_shared_state(fleet: Fleet) -> None:
    declare(fleet, "true")
    refused = fleet.run("serve", "--role", "worker")
    assert refused.code == 64
    assert "postgresql://" in refused.all


@pytest.mark.sweep
def test_what_declarations_may_touch_here_is_said_at_the_start(fleet: Fleet) -> None:
    log = declare(fleet, "echo one >> LOG")
    with serving(fleet, allow="env") as served:
        wait_for(lambda: "not-allowed-here" in str(served.ask("/api/v1/status")[1]), seconds=20)
        code, told = served.ask("/api/v1/status")
        assert code == 200
        assert "--allow env,local" in str(told)
    assert not log.exists()


def test_a_repo_that_was_never_reached_hides_nothing_else(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo one >> {log}'}}}}\n"
        'repos: {far: {url: "https://127.0.0.1:9/far.git"}, path: {url: /nowhere}}\n'
        "targets:\n"
        "  t: {servers: here, task: a}\n"
        "  u: {servers: here, task: a, repo: far}\n"
        "  v: {servers: here, task: a, repo: path}\n"
    )
    with serving(fleet, allow="local") as served:
        wait_for(lambda: served.in_sync() and log.exists(), seconds=20)
        said = served.ctl("status").all
        assert "in-sync" in said
        assert "--allow local,file-repos" in said
        assert "cannot reach https://127.0.0.1:9/far.git" in served.ctl("plan").ended(1).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "8420"), "HOST:PORT"),
        (("--anonymous", "all"), "none, status, full"),
        (("--role", "boss"), "scheduler"),
        (("--allow", "root"), "no word"),
        (("--tls-cert", "x.pem"), "go together"),
        (("--config-key", "a", "--config-token-file", "b"), "do not go together"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    fleet: Fleet, words: tuple[str, ...], said: str
) -> None:
    declare(fleet, "true")
    refused = fleet.run("serve", "--listen", "127.0.0.1:0", *words)
    assert refused.code == 64
    assert said in refused.all


def test_the_unit_it_prints_says_what_was_said(fleet: Fleet) -> None:
    declare(fleet, "true")
    text = fleet.run("serve", "--listen", "[::1]:443", "--drain", "--print-unit").ended(0).out
    assert "--listen [::1]:443" in text
    assert "CAP_NET_BIND_SERVICE" in text
    assert "TimeoutStopSec=infinity" in text
    assert Path(text.split("ExecStart=")[1].split()[0]).is_absolute()


@pytest.mark.sweep
def test_its_token_is_kept_for_its_owner_alone(fleet: Fleet) -> None:
    declare(fleet, "true")
    served = begin(fleet)
    try:
        path = fleet.state / "admin-token"
        assert path.read_text().strip() == served.token
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        served.kill()
    with serving(fleet, token=token_of(fleet)) as again:
        wait_for(again.in_sync, seconds=20)
        assert "admin token" not in again.text


@pytest.mark.sweep
def test_a_watched_status_is_shown_again_when_something_changes(fleet: Fleet) -> None:
    declare(fleet, "true")
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("status", "--watch", "-o", "json").ended(64)
    watching = fleet.spawn("status", "--watch", "-q")
    said = begun_reading(watching)
    wait_for(lambda: "in-sync" in "".join(said), seconds=20)
    fleet.ctl("suspend", "t", "--reason", "audit").ended(0)
    wait_for(lambda: "audit" in "".join(said), seconds=20)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=20) == 130
    assert "".join(said).count("TARGET") == 2
