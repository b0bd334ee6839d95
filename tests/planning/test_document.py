"""The JSON of a plan has the promised fields."""

import json
from dataclasses import replace

import pytest

from controller.declaration.renderer import Renderer
from controller.model.amount import Amount
from controller.model.diagnostic import Diagnostic, Place
from controller.model.inventory import Group
from controller.model.plan import FileChange
from controller.model.rollout import Rollout, WhenOffline
from controller.planning.document import document, read_document
from controller.planning.inputs import Inputs
from tests.planning.world import World, declaration, target

PLAN = {
    "format_version",
    "commit",
    "dirty",
    "digest",
    "created_at",
    "expires_at",
    "summary",
    "changes",
    "diagnostics",
}
CHANGE = {
    "kind",
    "name",
    "action",
    "target",
    "task",
    "server",
    "wave",
    "reason",
    "cause",
    "before",
    "after",
    "diff",
    "blocked_by",
}
SUMMARY = {"add", "change", "remove", "run", "servers", "drifted", "blocked", "unknown"}


@pytest.fixture
def world() -> World:
    finding = Diagnostic(code="c", message="m", place=Place(file="a.yaml", line=3), hint="h")
    return World(
        declaration=declaration(target("web", "web-1")), inputs=Inputs(diagnostics=(finding,))
    )


def test_the_promised_fields_are_there(renderer: Renderer, world: World) -> None:
    world.apply(renderer, world.plan(renderer))
    world.declaration = declaration(target("web", "web-1", params={"channel": "beta"}))
    built = json.loads(json.dumps(document(world.plan(renderer))))
    assert built.keys() >= PLAN
    assert built["format_version"] == "1.0"
    assert built["summary"].keys() == SUMMARY
    (change,) = built["changes"]
    assert change.keys() >= CHANGE
    assert (change["kind"], change["name"], change["action"]) == ("target", "web/web-1", "change")
    assert change["cause"] == {
        "file": "pipelines/shop.yaml",
        "line": 7,
        "commit": None,
        "author": None,
    }
    assert change["diff"] == "~ parameter channel\n~ run of step go"
    assert built["diagnostics"] == [
        {
            "severity": "error",
            "code": "c",
            "message": "m",
            "file": "a.yaml",
            "line": 3,
            "column": 1,
            "hint": "h",
        }
    ]


def test_a_document_is_read_back_and_unknown_fields_are_left_alone(
    renderer: Renderer, world: World
) -> None:
    plan = world.plan(renderer)
    built = json.loads(json.dumps(document(plan)))
    built["later"] = 1
    built["changes"][0]["later"] = 1
    assert read_document(built) == plan


def test_the_text_of_files_that_change_is_the_diff(renderer: Renderer, world: World) -> None:
    plan = world.plan(renderer)
    files = (
        FileChange(path="/etc/a", what="changed", diff="--- /etc/a\n+++ /etc/a\n-x\n+y"),
        FileChange(path="/etc/b", what="changed (secret)"),
        FileChange(path="/etc/c", what="new", diff="+z"),
    )
    (change,) = plan.changes
    built = document(replace(plan, changes=(replace(change, files=files),)))
    (row,) = json.loads(json.dumps(built))["changes"]
    assert row["diff"] == "--- /etc/a\n+++ /etc/a\n-x\n+y\n+z"
    assert [one["path"] for one in row["files"]] == ["/etc/a", "/etc/b", "/etc/c"]


def test_what_a_run_keeps_to_is_told_and_read_back(renderer: Renderer) -> None:
    """Names come in one order, so that equal plans are equal texts in every process."""
    members = tuple(f"web-{number}" for number in range(1, 9))
    made = declaration(
        target(
            "web",
            *members,
            rollout=Rollout(canary=1, max_failures=Amount(number=25, percent=True)),
            when_offline=WhenOffline.FAIL,
        )
    )
    group = Group(name="all-web", servers=members, max_unavailable=Amount(number=3))
    inventory = replace(made.inventory, groups={"all-web": group})
    plan = World(declaration=replace(made, inventory=inventory)).plan(renderer)
    built = json.loads(json.dumps(document(plan)))
    assert [row["wave"] for row in built["changes"]] == [1] + [2] * 7
    assert built["orders"]["web"]["max_failures"] == 2
    assert built["budgets"][0]["servers"] == sorted(members)
    assert built["approvable"].keys() == {"web"}
    assert read_document(built) == plan
