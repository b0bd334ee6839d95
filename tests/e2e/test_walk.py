"""The main walk on real parts: what changes runs, what does not change does not, and every line says why."""

import json
import shutil
from pathlib import Path

from tests.e2e.fleet import Fleet
from tests.fakes.repositories import Repository

SHOP = """\
repos:
  shop: {{url: {shop}}}
tasks:
  deploy:
    check: test "$(cat {there}/revision)" = "$CTL_COMMIT"
    steps:
      place: {{run: 'echo placed >> {there}/log; echo "$CTL_COMMIT" > {there}/revision'}}
targets:
  shop:
    repo: shop
    paths: ["app/**"]
    servers: {server}
    task: deploy
    on_drift: heal
"""


def opened(fleet: Fleet, server: str) -> tuple[Repository, Path]:
    """Declare a shop that leaves a line for each run."""
    there = fleet.folder / "there"
    there.mkdir()
    shop = Repository(fleet.folder / "shop")
    shop.commit({"app/version": "1\n", "README": "shop\n"}, author="Shop Team")
    fleet.declare(SHOP.format(shop=shop.path, there=there, server=server))
    return shop, there


def runs(there: Path) -> int:
    log = there / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_was_applied_is_not_pending_any_more(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    shop, there = opened(fleet, server)
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert f"+ shop (deploy) on {server}" in plan.out
    assert "first time" in plan.out
    assert not (fleet.folder / "there/log").exists()
    assert "1 succeeded" in fleet.ctl("apply", "-y").ended(0).out
    assert (there / "revision").read_text().strip() == shop.head
    assert fleet.ctl("plan", "--detailed-exitcode").ended(0).summary.startswith("No changes.")
    assert "No changes." in fleet.ctl("apply", "-y").ended(0).out
    assert runs(there) == 1


def test_a_commit_outside_the_watched_paths_runs_nothing_and_one_inside_runs_once(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    shop, there = opened(fleet, server)
    fleet.ctl("apply", "-y").ended(0)
    first = shop.head
    shop.commit({"README": "the shop\n"}, author="Shop Team")
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert runs(there) == 1
    assert (there / "revision").read_text().strip() == first
    head = shop.commit({"app/version": "2\n"}, author="Shop Team", message="sell umbrellas")
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert f"~ shop (deploy) on {server}" in plan.out
    assert head[:7] in plan.out
    assert "Shop Team" in plan.out
    fleet.ctl("apply", "-y").ended(0)
    assert runs(there) == 2
    assert (there / "revision").read_text().strip() == head


def test_a_changed_line_is_named_with_its_place_its_commit_and_its_author(fleet: Fleet) -> None:
    text = "tasks:\n  greet:\n    run: {run}\ntargets:\n  hello: {{servers: here, task: greet}}\n"
    fleet.declare(text.format(run="echo one"))
    fleet.ctl("apply", "-y").ended(0)
    sha = fleet.declare(text.format(run="echo two"))
    said = fleet.ctl("plan").ended(0)
    assert f"pipelines/main.yaml:3 {sha[:7]} by Operations" in said.out
    change = fleet.ctl("plan", "-o", "json").ended(0).json["changes"][0]  # type: ignore[index]
    assert change["cause"] == {
        "file": "pipelines/main.yaml",
        "line": 3,
        "commit": sha,
        "author": "Operations",
    }


def test_a_removed_target_is_forgotten_with_its_marker_and_nothing_else_is_touched(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    _, there = opened(fleet, server)
    fleet.ctl("apply", "-y").ended(0)
    assert fleet.marker("shop", server).exists()
    fleet.declare("tasks: {}\n")
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert ". shop" in plan.out
    assert "1 to remove" in plan.summary
    assert fleet.marker("shop", server).exists()
    fleet.ctl("apply", "-y").ended(0)
    assert not fleet.marker("shop", server).exists()
    assert (there / "revision").exists()
    assert runs(there) == 1
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_fresh_clone_learns_from_the_servers_what_is_in_force(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    shop, there = opened(fleet, server)
    fleet.ctl("apply", "-y").ended(0)
    shutil.rmtree(fleet.state)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert runs(there) == 1
    shutil.rmtree(fleet.state)
    shop.commit({"app/version": "2\n"}, author="Shop Team")
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "~ shop" in plan.out
    fleet.ctl("apply", "-y").ended(0)
    assert runs(there) == 2


def test_drift_is_shown_apart_and_repaired(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    shop, there = opened(fleet, server)
    fleet.ctl("apply", "-y").ended(0)
    (there / "revision").write_text("by hand\n")
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(3)
    assert f"≠ shop (deploy) on {server}" in plan.out
    assert "1 drifted" in plan.summary
    fleet.ctl("apply", "-y").ended(0)
    assert (there / "revision").read_text().strip() == shop.head
    assert runs(there) == 2


def test_drift_that_is_only_reported_stays_until_somebody_asks_to_heal(fleet: Fleet) -> None:
    wanted = fleet.folder / "wanted"
    fleet.declare(
        f"tasks:\n  place: {{check: test -e {wanted}, run: 'touch {wanted}'}}\n"
        "targets:\n  thing: {servers: here, task: place}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    wanted.unlink()
    fleet.ctl("plan", "--detailed-exitcode").ended(3)
    fleet.ctl("apply", "-y").ended(0)
    assert not wanted.exists()
    fleet.ctl("plan", "--detailed-exitcode").ended(3)
    fleet.ctl("apply", "-y", "--heal").ended(0)
    assert wanted.exists()
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_both_logs_hold_their_chain_and_one_changed_byte_is_found(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n")
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("logs", "verify").ended(0)
    (log,) = (fleet.state / "logs").glob("activity-*.log")
    log.write_bytes(log.read_bytes().replace(b"job-ended", b"job-ENDED", 1))
    fleet.ctl("logs", "verify").ended(1)


def test_the_order_of_files_and_keys_changes_nothing(fleet: Fleet) -> None:
    task = "tasks:\n  a:\n    env: {X: '1', Y: '2'}\n    run: 'true'\n"
    target = "targets:\n  t:\n    servers: here\n    task: a\n"
    fleet.declare(task + target)
    fleet.ctl("apply", "-y").ended(0)
    fleet.declare(
        "targets:\n  t:\n    task: a\n    servers: here\n",
        pipelines__other_yaml="tasks:\n  a:\n    run: 'true'\n    env: {Y: '2', X: '1'}\n",
    )
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_status_and_why_say_where_a_target_stands(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n")
    assert "unknown" in fleet.ctl("status").ended(0).out
    fleet.ctl("plan").ended(0)
    assert "pending" in fleet.ctl("status").ended(0).out
    fleet.ctl("apply", "-y").ended(0)
    said = fleet.ctl("status", "--detailed-exitcode").ended(0).out
    assert "in-sync" in said
    assert "ok" in said
    fleet.ctl("why", "t", "here").ended(0)


def test_what_init_writes_validates_plans_and_applies_at_once(fleet: Fleet) -> None:
    folder = fleet.folder / fleet.project  # its name becomes that of the project
    fleet.ctl("init", str(folder)).ended(0)
    fleet.ctl("validate", at=folder).ended(0)
    fleet.ctl("plan", "--detailed-exitcode", at=folder).ended(2)
    fleet.ctl("apply", "-y", "--allow-dirty", at=folder).ended(0)
    assert (fleet.home / "ctl-greeting.txt").read_text() == "Hello from ctl\n"
    plan = fleet.ctl("plan", "--detailed-exitcode", "-o", "json", at=folder).ended(0)
    assert json.loads(plan.out)["changes"] == []
