"""Going back: a target is held at an earlier commit, the bad one is kept out, and only what mends it lets go."""

import re
from datetime import UTC, datetime

import pytest

from tests.e2e.fleet import Fleet
from tests.fakes.repositories import Repository


def opened(fleet: Fleet, *, more: str = "") -> Repository:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"app/version": "1\n", "docs": "1\n"}, author="Shop Team", message="one")
    declare(fleet, shop, more=more)
    return shop


def declare(fleet: Fleet, shop: Repository, *, more: str = "") -> None:
    log = fleet.folder / "log"
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        f"tasks:\n  deploy: {{checkout: {{path: {fleet.folder}/tree}}, run: 'cat {fleet.folder}/tree/app/version >> {log}'}}\n"
        f"targets: {{shop: {{repo: shop, paths: ['app/**'], servers: here, task: deploy{more}}}}}\n"
    )


def ran(fleet: Fleet) -> list[str]:
    return (fleet.folder / "log").read_text().split()


def version(fleet: Fleet) -> str:
    return (fleet.folder / "tree/app/version").read_text().strip()


@pytest.mark.sweep
def test_going_back_pins_keeps_the_bad_commit_out_and_ends_with_the_commit_that_mends_it(
    fleet: Fleet,
) -> None:
    shop = opened(fleet)
    fleet.ctl("apply", "-y").ended(0)
    bad = shop.commit({"app/version": "2\n"}, author="Shop Team", message="two")
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("rollback", "shop", "--to", "previous").ended(64)  # a reason is needed
    fleet.ctl("rollback", "shop", "--to", "previous", "--reason", "prices are wrong").ended(0)
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "~ shop" in plan.out
    fleet.ctl("apply", "-y").ended(0)
    assert version(fleet) == "1"
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert ran(fleet) == ["1", "2", "1"]
    said = fleet.ctl("status").ended(0).out
    assert "pinned" in said
    assert "@" in said  # by whom
    assert "prices are wrong" in fleet.ctl("history", "shop").out + said
    # a later commit elsewhere does not let go
    shop.commit({"docs": "2\n"}, author="Shop Team", message="words")
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    # nor does one that does not follow it
    # one that changes the same inputs does
    shop.commit({"app/version": "3\n"}, author="Shop Team", message="three")
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    fleet.ctl("apply", "-y").ended(0)
    assert version(fleet) == "3"
    assert "pinned" not in fleet.ctl("status").ended(0).out
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    events = [str(one["event"]) for one in fleet.events()]
    assert {"target-pinned", "pin-lifted"} <= set(events)
    assert bad


@pytest.mark.sweep
def test_going_back_again_goes_further_and_never_to_what_was_bad(fleet: Fleet) -> None:
    shop = opened(fleet)
    fleet.ctl("apply", "-y").ended(0)
    shas = []
    for number in (2, 3):
        shas.append(shop.commit({"app/version": f"{number}\n"}, author="Shop Team"))
        fleet.ctl("apply", "-y").ended(0)
    for wanted in ("2", "1"):
        fleet.ctl("rollback", "shop", "--to", "previous", "--reason", "no good").ended(0)
        fleet.ctl("apply", "-y").ended(0)
        assert version(fleet) == wanted
        fleet.ctl("plan", "--detailed-exitcode").ended(0)
    said = fleet.ctl("rollback", "shop", "--to", "previous", "--reason", "no good").ended(1)
    assert "--to REV" in said.err
    fleet.ctl("apply", "-y").ended(0)
    assert version(fleet) == "1"
    # by name to one of them, and back again by letting go
    fleet.ctl("rollback", "shop", "--to", shas[0], "--reason", "second was fine").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert version(fleet) == "2"
    fleet.ctl("rollback", "shop", "--lift", "--reason", "mended").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert version(fleet) == "3"


@pytest.mark.sweep
def test_going_back_obeys_the_gates(fleet: Fleet) -> None:
    shop = opened(fleet, more=", approval: {required: 1}")
    for number in (1, 2):
        shop.commit({"app/version": f"{number}\n"}, author="Shop Team")
        fleet.ctl("approve", "shop", "-y").ended(0)
        fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("rollback", "shop", "--to", "previous", "--reason", "hm").ended(0)
    fleet.ctl("apply", "-y").ended(4)
    assert version(fleet) == "2"
    fleet.ctl("approve", "shop", "-y").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert version(fleet) == "1"


def test_there_is_nowhere_to_go_back_to_without_a_repo_or_an_earlier_run(fleet: Fleet) -> None:
    opened(fleet)
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("rollback", "shop", "--to", "previous", "--reason", "x").ended(1)
    fleet.ctl("rollback", "shop", "--to", "nosuchrev", "--reason", "x").ended(1)
    fleet.ctl("rollback", "shop", "--to", "HEAD", "--reason", "x").ended(4)
    fleet.ctl("rollback", "nothing", "--to", "HEAD", "--reason", "x").ended(1)
    fleet.declare("tasks: {a: {run: 'true'}}\ntargets: {shop: {servers: here, task: a}}\n")
    said = fleet.ctl("rollback", "shop", "--to", "previous", "--reason", "x").ended(4)
    assert "git revert" in said.err


def test_the_history_of_a_target_and_a_plan_of_the_past(fleet: Fleet) -> None:
    shop = opened(fleet)
    fleet.ctl("apply", "-y").ended(0)
    between = datetime.now(UTC)
    head = shop.commit({"app/version": "2\n"}, author="Shop Team")
    fleet.ctl("apply", "-y").ended(0)
    said = fleet.ctl("history", "shop").ended(0).out
    rows = [row for row in said.splitlines() if re.search(r"\b[0-9a-f]{7}\b", row)]
    assert len(rows) == 2
    assert head[:7] in rows[0]
    assert "succeeded" in rows[0] or "ok" in rows[0]
    fleet.ctl("history", "nothing").ended(1)
    now = fleet.ctl("plan", "--as-of", datetime.now(UTC).isoformat(), "--detailed-exitcode")
    now.ended(0)
    then = fleet.ctl("plan", "--as-of", between.isoformat(), "--detailed-exitcode")
    assert then.code in {0, 2}
    then.ended(then.code)
    assert "as of" in then.out
    fleet.ctl("plan", "--as-of", "yesterday-ish").ended(64)
