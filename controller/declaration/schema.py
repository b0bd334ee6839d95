"""The JSON Schemas of all kinds: checking data against them, explaining what is not valid, and describing keys.

The schemas are files that people use too (`schemas/` in a checkout, `controller/schemas` when installed). A compiled
validator says "valid" fast; `jsonschema` explains what is not. No schema is ever fetched: the registry is empty.
Called by `forms` for every file and by `ctl schema` and `ctl explain`; calls `explain`.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, cast

import jsonschema_rs

from controller.declaration.suggest import among
from controller.errors import NotFoundError

Schema = dict[str, object]

KINDS: Final[Mapping[str, str]] = {
    "repos": "repo",
    "servers": "server",
    "groups": "group",
    "inventories": "inventory",
    "tasks": "task",
    "targets": "target",
    "secrets": "secret",
    "notifiers": "notifier",
    "access": "access",
}
"""The top-level keys of a file and the schema of what stands under a name there."""
WITH_DEFAULTS: Final = frozenset({"repos", "servers", "tasks", "targets"})
LATER: Final = "x-not-supported-yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDescription:
    """What `ctl explain` shows of a kind or one of its keys; `keys` are the keys below it with their titles."""

    name: str
    title: str
    description: str
    type: str = ""
    default: object = None
    allowed: tuple[object, ...] = ()
    examples: tuple[object, ...] = ()
    required: tuple[str, ...] = ()
    keys: Mapping[str, str]
    supported: bool = True


@cache
def load(name: str) -> Schema:
    """Read the packaged schema of `name`, such as "server"; callers must not change it."""
    text = (_folder() / f"{name}.schema.json").read_text("utf-8")
    return cast("Schema", json.loads(text))


@cache
def _folder() -> Traversable:
    packaged = files("controller") / "schemas"
    return packaged if packaged.is_dir() else files("controller") / ".." / "schemas"


@cache
def relaxed(name: str) -> Schema:
    """Give the schema of one block before defaults are filled in: what may come from there is not required."""
    schema = dict(load(name))
    if name in {KINDS[plural] for plural in WITH_DEFAULTS}:
        schema.pop("required", None)
    return schema


@cache
def checker(name: str) -> jsonschema_rs.Draft202012Validator:
    """Compile the check "every value of this mapping is a valid block that uses only what is supported"."""
    schema = _supported(relaxed(name))
    definitions = schema.pop("$defs", {}) if isinstance(schema, dict) else {}
    return jsonschema_rs.Draft202012Validator(
        {"type": "object", "additionalProperties": schema, "$defs": definitions}
    )


def _supported(schema: object) -> object:
    """Copy a schema so that keys of later versions are refused."""
    if isinstance(schema, list):
        return [_supported(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get(LATER):
        return False
    return {
        key: value if key in {"examples", "default", "enum", "const"} else _supported(value)
        for key, value in schema.items()
    }


def target_of(schema: Mapping[str, object], root: Mapping[str, object]) -> Mapping[str, object]:
    """Follow a reference inside one schema, keeping what stands beside it."""
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith("#/$defs/"):
        return schema
    definitions = cast("Mapping[str, Mapping[str, object]]", root["$defs"])
    return {**target_of(definitions[ref.removeprefix("#/$defs/")], root), **schema}


def describe(kind: str, dotted_key: str = "") -> KeyDescription:
    """Describe a kind, or a key such as `ssh.port` or `steps.NAME.run` in it.

    Args:
        kind: singular or plural, `settings` included.
        dotted_key: keys with dots between; a name that the author chooses may be any word, or be left out before
            the last key: `steps.run`.

    Raises:
        NotFoundError: there is no such kind or key; the hint names the nearest.
    """
    name = KINDS.get(kind, kind)
    known = sorted({*KINDS.values(), "settings"})
    if name not in known:
        raise NotFoundError(f"cannot find the kind {kind}", hint=among(kind, known, what="kind"))
    root = load(name)
    schema: Mapping[str, object] = root
    *folders, last = ("", *filter(None, dotted_key.split(".")))
    for key in folders[1:]:
        schema = _below(schema, root, key, f"{name}.{dotted_key}")
    if last:
        schema = _nameless(schema, root).get(last) or _below(
            schema, root, last, f"{name}.{dotted_key}"
        )
    return _description(f"{name}.{dotted_key}".rstrip("."), schema, root)


def _nameless(
    schema: Mapping[str, object], root: Mapping[str, object]
) -> Mapping[str, Mapping[str, object]]:
    """The keys below the names that the author chooses, or of the items of a list; nothing where there are neither."""
    schema = target_of(schema, root)
    inner = schema.get("additionalProperties", schema.get("items"))
    below = target_of(inner, root) if isinstance(inner, dict) else {}
    return cast("Mapping[str, Mapping[str, object]]", below.get("properties", {}))


def _below(
    schema: Mapping[str, object], root: Mapping[str, object], key: str, whole: str
) -> Mapping[str, object]:
    schema = target_of(schema, root)
    properties = cast("Mapping[str, Mapping[str, object]]", schema.get("properties", {}))
    if key in properties:
        return properties[key]
    for inner in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(inner, dict):
            return inner
    raise NotFoundError(f"cannot find the key {whole}", hint=among(key, properties, what="key"))


def _description(
    name: str, schema: Mapping[str, object], root: Mapping[str, object]
) -> KeyDescription:
    schema = target_of(schema, root)
    inner = schema.get("additionalProperties", schema.get("items"))
    below = target_of(inner, root) if isinstance(inner, dict) else schema
    properties = cast("Mapping[str, Mapping[str, object]]", below.get("properties", {}))
    kinds = schema.get("type", "")
    return KeyDescription(
        name=name,
        title=str(schema.get("title", name.rpartition(".")[2])),
        description=str(schema.get("description", schema.get("x-expected", ""))),
        type=" or ".join(map(str, kinds)) if isinstance(kinds, list) else str(kinds),
        default=schema.get("default"),
        allowed=tuple(cast("list[object]", schema.get("enum", []))),
        examples=tuple(cast("list[object]", schema.get("examples", []))),
        required=tuple(cast("list[str]", below.get("required", []))),
        keys={key: str(value.get("title", "")) for key, value in properties.items()},
        supported=not schema.get(LATER),
    )


def document(kind: str | None = None) -> str:
    """Give the text of a kind's schema, or of the schema of a whole file with all kinds inside.

    Raises:
        NotFoundError: there is no such kind.
    """
    name = "declarations" if kind is None else KINDS.get(kind, kind)
    known = sorted({*KINDS.values(), "settings", "ctl", "declarations"})
    if name not in known:
        raise NotFoundError(f"cannot find the kind {kind}", hint=among(name, known, what="kind"))
    return json.dumps(bundled(name), indent=2, ensure_ascii=False)


def bundled(name: str) -> Schema:
    """Give a schema that refers to nothing outside itself."""
    schema = copy.deepcopy(load(name))
    inside: dict[str, object] = {}
    for other in (*KINDS.values(), "settings"):
        if f'"{other}.schema.json"' in json.dumps(schema):
            inner = copy.deepcopy(load(other))
            inner.pop("$schema")
            inside[other] = _rebased(inner, f"#/$defs/{other}/$defs/")
    schema = cast("Schema", _embedded(schema))
    if inside:
        schema["$defs"] = inside
    return schema


def _rebased(schema: object, base: str) -> object:
    if isinstance(schema, list):
        return [_rebased(item, base) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: base + value.removeprefix("#/$defs/") if key == "$ref" else _rebased(value, base)
        for key, value in schema.items()
    }


def _embedded(schema: object) -> object:
    if isinstance(schema, list):
        return [_embedded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/$defs/{value.removesuffix('.schema.json')}" if key == "$ref" else _embedded(value)
        for key, value in schema.items()
    }
