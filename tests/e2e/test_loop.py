"""The loop on real git and real ssh servers: a commit of a watched repo reaches them, and what it meets is met as promised."""

import time
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving, token_of
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.sweep


@pytest.fixture
def app(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "app")
    made.commit({"app.txt": "1"})
    return made


def declare(fleet: Fleet, app: Repository, run: str, *, more: str = "") -> Path:
    """Declare a target of a watched repo on the ssh servers; give the file to which its command writes."""
    log = fleet.folder / "log"
    log.touch()
    log.chmod(0o666)
    fleet.declare(
        f"repos: {{app: {{url: '{app.url}', interval: 1h}}}}\n"
        f"tasks: {{a: {{run: '{run.replace('LOG', str(log))}'}}}}\n"
        f"targets: {{t: {{servers: fleet, task: a, repo: app{more}}}}}\n"
    )
    return log


def commits(log: Path) -> list[str]:
    return sorted(log.read_text().split())


def settled(served: Served) -> None:
    wait_for(served.in_sync, seconds=40)


def test_a_commit_of_a_watched_repo_reaches_every_server_once(
    ships: Fleet, app: Repository
) -> None:
    log = declare(ships, app, "echo $CTL_COMMIT >> LOG")
    with serving(ships) as served:
        settled(served)
        assert commits(log) == [app.head] * 2
        first = app.head
        app.commit({"app.txt": "2"})
        served.look()
        wait_for(lambda: len(commits(log)) == 4, seconds=20)
        settled(served)
    assert commits(log) == sorted([first, first, app.head, app.head])


def test_a_killed_controller_finds_its_jobs_on_ssh_servers_and_waves_go_on(
    ships: Fleet, app: Repository
) -> None:
    log = declare(
        ships,
        app,
        "echo $CTL_SERVER >> LOG; sleep 3",
        more=", rollout: {batch: 1, max_failures: 0}",
    )
    with serving(ships) as served:
        wait_for(lambda: commits(log) == ["web-1"], seconds=30)
        served.kill()
    with serving(ships, token=token_of(ships)) as again:
        settled(again)
        assert commits(log) == ["web-1", "web-2"]
        assert {job["state"] for job in again.jobs()} == {"succeeded"}


def test_a_newer_commit_takes_the_place_of_a_wave_that_waits(ships: Fleet, app: Repository) -> None:
    log = declare(
        ships,
        app,
        "echo $CTL_SERVER-$CTL_COMMIT >> LOG; sleep 3",
        more=", rollout: {batch: 1, max_failures: 0}",
    )
    with serving(ships) as served:
        first = app.head
        wait_for(lambda: commits(log) == [f"web-1-{first}"], seconds=30)
        app.commit({"app.txt": "2"})
        served.look()
        wait_for(lambda: len(commits(log)) == 3, seconds=40)
        settled(served)
        states = sorted(str(job["state"]) for job in served.jobs())
    assert states == ["skipped", "succeeded", "succeeded", "succeeded"]
    assert commits(log) == sorted([f"web-1-{first}", f"web-1-{app.head}", f"web-2-{app.head}"])


def test_a_poke_is_on_the_server_soon(ships: Fleet, app: Repository) -> None:
    log = declare(ships, app, "echo $CTL_COMMIT >> LOG")
    with serving(ships) as served:
        settled(served)
        before = len(commits(log))
        app.commit({"app.txt": "2"})
        began = time.monotonic()
        served.look()
        wait_for(lambda: len(commits(log)) > before, seconds=30)
        assert time.monotonic() - began < 15
