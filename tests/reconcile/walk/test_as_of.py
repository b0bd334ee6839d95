"""A plan of the past: the declarations, what was applied, what was seen and what was decided are those of the moment."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, launched
from tests.fakes.repositories import Repository

TASK = "tasks: {{a: {{run: 'echo {}'}}}}\ntargets: {{t: {{servers: here, task: a}}}}\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with launched(tmp_path) as made:
        yield made


def moment() -> str:
    """The present, with room around it: git counts whole seconds."""
    time.sleep(1.1)
    now = datetime.now(UTC)
    time.sleep(1.1)
    return now.isoformat()


def declare_now(fleet: Fleet, text: str) -> None:
    """Commit at the present time."""
    (fleet.config.path / "pipelines/main.yaml").write_text(text)
    now = f"{time.time():.0f} +0000"
    environment = {"GIT_COMMITTER_DATE": now, "GIT_AUTHOR_DATE": now}
    fleet.config.git("commit", "--quiet", "-am", "later", environment=environment)


@pytest.mark.sweep
def test_the_world_is_planned_as_it_was(fleet: Fleet) -> None:
    fleet.declare(TASK.format("one"))
    first = moment()
    fleet.ctl("apply", "-y").ended(0)
    second = moment()
    declare_now(fleet, TASK.format("two"))
    third = moment()
    fleet.ctl("apply", "-y").ended(0)
    events = len(fleet.events())

    def summary(at: str) -> str:
        return fleet.ctl("plan", "--as-of", at).ended(0).summary

    assert "0 to change" in summary(first)
    assert "unknown" in summary(first) or "1 to add" in summary(first)
    assert summary(second).startswith("No changes.")
    assert "1 to change" in summary(third)
    assert summary(moment()).startswith("No changes.")
    assert len(fleet.events()) == events
    assert "from before" in fleet.ctl("plan", "--as-of", "2020-01-01").ended(1).err


def test_no_server_is_opened_and_what_a_repo_stood_at_is_remembered(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    old = shop.commit({"a": "1"})
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        + TASK.format("$CTL_COMMIT").replace("t: {", "t: {repo: shop, ")
    )
    fleet.ctl("apply", "-y").ended(0)
    then = moment()
    new = shop.commit({"a": "2"})
    fleet.ctl("apply", "-y").ended(0)
    fleet.marker("t").unlink()
    assert fleet.ctl("plan", "--as-of", then).ended(0).summary.startswith("No changes.")
    assert "1 to add" in fleet.ctl("plan").ended(0).summary
    fleet.ctl("check", "repo", "shop").ended(0)  # its mirror is gone after that
    said = fleet.ctl("plan", "--as-of", then, "--full", "-o", "json").ended(0).out
    assert old in said
    assert new not in said


def test_what_was_decided_later_does_not_count(fleet: Fleet) -> None:
    fleet.declare(TASK.format("one"))
    fleet.ctl("apply", "-y").ended(0)
    declare_now(fleet, TASK.format("two"))
    before = moment()
    fleet.ctl("suspend", "t", "--reason", "audit", "--until", "2h").ended(0)
    after = moment()
    assert "1 to change" in fleet.ctl("plan", "--as-of", before).ended(0).summary
    assert "1 blocked" in fleet.ctl("plan", "--as-of", after).ended(0).summary
