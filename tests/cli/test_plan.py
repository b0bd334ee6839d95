"""`ctl plan`: formats, exit codes, what it asks for."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from controller.model.plan import Excess, FileChange, Limit, Plan, Summary
from controller.reconcile.exchange.requests import PlanRequest
from tests.cli.records import COMMIT, empty_plan, full_plan
from tests.cli.stage import NOW, Stage


class Planner:
    state = "/srv/state"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.asked: list[PlanRequest] = []
        self.saved: list[tuple[Path, timedelta, Path | None]] = []

    async def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request)
        return self._plan

    async def save_plan(
        self, plan: Plan, path: Path, *, expires: timedelta, key: Path | None = None
    ) -> Plan:
        self.saved.append((path, expires, key))
        return replace(plan, expires_at=NOW + expires)


def staged(plan: Plan) -> tuple[Stage, Planner]:
    planner = Planner(plan)
    return Stage(controller=planner, cwd=Path("/srv/shop")), planner


def test_json_has_the_promised_shape() -> None:
    stage, _ = staged(full_plan())
    document = json.loads(stage("plan", "-o", "json").out)
    assert document["format_version"] == "1.0"
    assert document["commit"] == COMMIT
    assert document["state"] == "/srv/state"
    assert set(document["summary"]) == {
        "add", "change", "remove", "run", "servers", "drifted", "blocked", "unknown",
    }  # fmt: skip
    wanted = {
        "kind", "name", "action", "target", "task", "server", "wave", "reason", "cause",
        "before", "after", "diff", "blocked_by",
    }  # fmt: skip
    assert all(wanted <= set(change) for change in document["changes"])
    assert document["changes"][1]["cause"] == {
        "file": "pipelines/shop.yaml",
        "line": 14,
        "commit": COMMIT,
        "author": "Ana",
    }


def test_yaml_says_the_same_as_json() -> None:
    stage, _ = staged(full_plan())
    assert yaml.safe_load(stage("plan", "-o", "yaml").out) == json.loads(
        stage("plan", "-o", "json").out
    )


def test_jsonl_gives_an_event_a_line_and_the_summary_last() -> None:
    stage, _ = staged(full_plan())
    events = [json.loads(row) for row in stage("plan", "-o", "jsonl").out.splitlines()]
    assert [event["type"] for event in events] == [
        "plan.drift", "plan.change", "plan.change", "plan.change", "plan.change",
        "plan.blocked", "plan.unknown", "summary",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        (Summary(add=1, drifted=1), 2),
        (Summary(change=1), 2),
        (Summary(remove=1), 2),
        (Summary(run=1), 2),
        (Summary(drifted=1, blocked=1), 3),
        (Summary(blocked=1), 4),
        (Summary(unknown=1), 4),
        (Summary(), 0),
    ],
)
def test_the_detailed_exit_code_is_the_first_that_holds(summary: Summary, code: int) -> None:
    stage, _ = staged(replace(empty_plan(), summary=summary))
    assert stage("plan", "--detailed-exitcode").code == code
    assert stage("plan").code == 0


def test_flags_become_the_request() -> None:
    stage, planner = staged(empty_plan())
    stage("plan", "-l", "web", "--target", "a", "--target", "b", "--no-refresh", "--full")
    stage("plan", "--between", "v1", "v2")
    assert planner.asked == [
        PlanRequest(limit="web", targets=("a", "b"), refresh=False, full=True),
        PlanRequest(between=("v1", "v2"), refresh=False),
    ]
    assert not any(request.write for request in stage.opened)


def test_a_saved_plan_says_until_when_and_how_to_apply_it() -> None:
    stage, planner = staged(full_plan())
    seen = stage("plan", "--out", "my plan.json", "--expires", "2h")
    assert planner.saved == [(Path("/srv/shop/my plan.json"), timedelta(hours=2), None)]
    assert "until 2026-03-01 14:00:00Z" in seen.err
    assert "next: ctl apply 'my plan.json'\n" in seen.err


def test_a_plan_is_signed_with_the_key_that_is_named() -> None:
    stage, planner = staged(full_plan())
    stage("plan", "--out", "p", "--sign", "keys/mine")
    assert planner.saved == [
        (Path("/srv/shop/p"), timedelta(hours=24), Path("/srv/shop/keys/mine"))
    ]


def test_a_plan_of_the_past_opens_nothing() -> None:
    stage, planner = staged(full_plan())
    stage("plan", "--as-of", "2026-02-28T12:00:00Z")
    assert planner.asked == [
        PlanRequest(as_of=datetime(2026, 2, 28, 12, tzinfo=UTC), refresh=False)
    ]


def test_what_a_run_may_not_touch_and_what_differs_in_files_is_shown() -> None:
    change = replace(
        full_plan().changes[0],
        files=(FileChange(path="/etc/shop.conf", what="content differs", diff="-a\n+b\n"),),
    )
    excess = Excess(limit=Limit.REMOVALS, message="12 of 20 pairs would go", clear="--override")
    plan = replace(full_plan(), changes=(change,), excess=(excess,))
    stage, _ = staged(plan)
    shown = stage("plan").out
    assert "~ /etc/shop.conf: content differs\n          -a\n          +b\n" in shown
    assert "! budget-removals: 12 of 20 pairs would go" in shown


def test_a_plan_of_uncommitted_declarations_is_shown_but_not_saved() -> None:
    stage, planner = staged(replace(full_plan(), dirty=True))
    seen = stage("plan", "--out", "p")
    assert seen.code == 4
    assert planner.saved == []


def test_before_what_is_not_committed_is_applied_new_files_are_committed_too() -> None:
    stage, _ = staged(replace(full_plan(), dirty=True))
    assert stage("plan").err == "next: git add --all && git commit\nnext: ctl apply\n"


def test_the_next_command_keeps_the_filters() -> None:
    stage, _ = staged(full_plan())
    assert stage("plan", "-l", "web:&env=prod").err == "next: ctl apply -l 'web:&env=prod'\n"


def test_markdown_fits_a_comment_however_large_the_plan() -> None:
    first = full_plan().changes[1]
    many = tuple(
        replace(first, server=f"s{number}", reason=f"reason {number} " + "x" * 300)
        for number in range(2000)
    )
    stage, _ = staged(replace(full_plan(), changes=many))
    out = stage("plan", "-o", "md").out
    assert len(out.encode()) <= 60_000
    assert out.rstrip().endswith("more; `ctl plan` shows all.")


def test_markdown_leaves_no_way_out_of_its_code() -> None:
    evil = "``` </details><script>alert(1)</script> `x` @everyone\n# big"
    first = replace(full_plan().changes[1], target="t", reason=evil, commands=(evil,))
    stage, _ = staged(replace(full_plan(), subject=evil, changes=(first,)))
    out = stage("plan", "-o", "md").out
    assert "\n# big" not in out.replace("````sh", "").split("<details>")[0]
    assert "<summary><code>~ t on web-01</code></summary>" in out
    assert "````sh\n``` </details>" in out
