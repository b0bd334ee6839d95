import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from referencing import Registry

from controller.declaration.schema import KINDS, bundled, describe, document, load
from controller.errors import NotFoundError

ROOT = Path(__file__).parents[2]
NAMES = [*KINDS.values(), "settings", "ctl", "declarations"]


def properties(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            yield f"{path}.{key}", value
            yield from properties(value, f"{path}.{key}")
        for key, value in schema.items():
            if key == "$defs":
                for name, inner in value.items():
                    yield from properties(inner, name)
            elif key in {"items", "additionalProperties"}:
                yield from properties(value, f"{path}.{key}")


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_a_valid_schema_of_the_draft_it_names(name: str) -> None:
    schema = load(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_has_title_description_and_example(name: str) -> None:
    bare = [
        path
        for path, schema in properties(load(name))
        if not (schema.get("title") and schema.get("description") and "examples" in schema)
    ]
    assert not bare
    assert load(name)["title"]
    assert load(name)["description"]


@pytest.mark.parametrize("name", [*KINDS.values(), "settings"])
def test_every_example_of_a_schema_is_valid(name: str) -> None:
    root = load(name)
    for schema in (root, *(value for _, value in properties(root))):
        validator = jsonschema.Draft202012Validator(
            {**schema, "$defs": root.get("$defs", {})}, registry=Registry()
        )
        examples = schema["examples"]
        assert isinstance(examples, list)
        for example in examples:
            assert validator.is_valid(example), (schema["title"], example)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/*.yaml")), ids=lambda p: p.name)
def test_the_schema_of_a_file_accepts_the_examples(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(bundled("declarations"), registry=Registry())
    assert [e.message for e in validator.iter_errors(yaml.safe_load(path.read_bytes()))] == []


def test_the_schema_of_a_file_refuses_what_the_loader_refuses() -> None:
    validator = jsonschema.Draft202012Validator(bundled("declarations"), registry=Registry())
    wrongs: list[dict[str, object]] = [
        {"server": {}},
        {"tasks": {"a": {"rum": "x"}}},
        {"secrets": {"a": {}}},
        {"tasks": {"A": {}}},
    ]
    for wrong in wrongs:
        assert not validator.is_valid(wrong)


def test_what_is_printed_refers_to_nothing_outside_itself() -> None:
    for name in NAMES:
        text = document(name)
        assert all(ref.startswith("#/$defs/") for ref in re.findall(r'"\$ref": "([^"]*)"', text))
        assert json.loads(text)["title"] == load(name)["title"]
    assert json.loads(document())["title"] == "Declarations"


def test_keys_are_described_at_any_depth() -> None:
    port = describe("server", "ssh.port")
    assert (port.name, port.title, port.default, port.type) == (
        "server.ssh.port",
        "Port",
        22,
        "integer",
    )
    assert describe("tasks", "steps.any.run").title == "Command"
    assert set(describe("target").required) == {"servers", "task"}
    assert "limit" in describe("task", "steps.any.retries").keys
    assert describe("task", "steps.retries") == replace(
        describe("task", "steps.any.retries"), name="task.steps.retries"
    )
    assert "run" in describe("task", "steps").keys
    assert describe("target", "windows.allow").title == "Allow"
    assert describe("target", "rollout.batch").supported
    assert describe("target", "schedule.cron").supported
    assert not describe("task", "steps.container").supported


def test_an_unknown_kind_or_key_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        describe("sever")
    assert caught.value.hint == "did you mean server?"
    with pytest.raises(NotFoundError) as caught:
        describe("server", "ssh.prot")
    assert caught.value.hint == "did you mean port?"
    with pytest.raises(NotFoundError):
        document("nothing")
