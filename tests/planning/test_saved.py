"""A saved plan says exactly what would be done, for a day, and holds no secret."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.declaration.renderer import Renderer
from controller.errors import DeclarationError, RefusedError, StalePlanError
from controller.model.diagnostic import Diagnostic, Place
from controller.model.plan import FileChange, Plan
from controller.planning.inputs import Inputs, Policy
from controller.planning.saved import dump, load
from tests.planning.world import NOW, World, declaration, target


def plan(renderer: Renderer) -> Plan:
    world = World(
        declaration=declaration(target("web", "web-1", "web-2")),
        inputs=Inputs(
            diagnostics=(Diagnostic(code="x", message="m", place=Place(file="a.yaml", line=3)),)
        ),
    )
    return world.plan(renderer)


def test_what_is_loaded_is_what_was_dumped_but_for_commands(renderer: Renderer) -> None:
    made = plan(renderer)
    bare = replace(made, changes=tuple(replace(c, commands=()) for c in made.changes))
    assert load(dump(made), NOW) == bare
    assert b"echo stable" not in dump(made)


def test_uncommitted_declarations_cannot_be_saved(renderer: Renderer) -> None:
    with pytest.raises(RefusedError, match="uncommitted"):
        dump(replace(plan(renderer), dirty=True))


def test_a_plan_expires(renderer: Renderer) -> None:
    data = dump(plan(renderer))
    assert load(data, NOW + timedelta(hours=23, minutes=59)).expires_at == NOW + timedelta(hours=24)
    with pytest.raises(StalePlanError, match="expired"):
        load(data, NOW + timedelta(hours=24))


def test_no_text_of_a_file_is_saved(renderer: Renderer) -> None:
    made = plan(renderer)
    file = FileChange(path="/etc/shop.conf", what="changed", diff="+password = rosebud")
    changes = tuple(replace(change, files=(file,)) for change in made.changes)
    data = dump(replace(made, changes=changes))
    assert b"rosebud" not in data
    assert load(data, NOW).changes[0].files == (replace(file, diff=""),)


def test_a_saved_plan_says_how_many_runs_its_state_had(renderer: Renderer) -> None:
    made = World(declaration=declaration(target("web", "web-1"))).plan(renderer, Policy(serial=41))
    assert load(dump(made), NOW).serial == 41


@pytest.mark.parametrize("max_failures", [None, 5])
def test_the_order_in_which_servers_are_reached_cannot_be_changed(
    renderer: Renderer, max_failures: int | None
) -> None:
    built = json.loads(dump(plan(renderer)))
    assert load(json.dumps(built).encode(), NOW).digest == built["digest"]
    built["orders"]["web"]["pause"] = 9.0
    built["orders"]["web"]["max_failures"] = max_failures
    with pytest.raises(DeclarationError, match="changed since"):
        load(json.dumps(built).encode(), NOW)


@pytest.mark.parametrize("key", ["target", "server", "action", "after", "wave"])
def test_a_plan_that_was_changed_is_refused(renderer: Renderer, key: str) -> None:
    built = json.loads(dump(plan(renderer)))
    built["changes"][0][key] = {"action": "remove", "wave": 2}.get(key, "other")
    with pytest.raises(DeclarationError, match="changed since"):
        load(json.dumps(built).encode(), NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format_version": "2.0"}',
        b'{"format_version": "1.0"}',
        b'{"format_version": "1.0", "changes": 3}',
        b'{"format_version": "1.0", "diagnostics": [1]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(DeclarationError, match="cannot read the plan"):
        load(data, NOW)
