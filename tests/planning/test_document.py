"""The JSON of a plan has the promised fields."""

import json

import pytest

from controller.declaration.renderer import Renderer
from controller.model.diagnostic import Diagnostic, Place
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
