"""Says in words what a schema has against data: one finding for each error, at its place, with a hint.

Loaded by `explaining` for data that the fast check refused; calls `schema` and `suggest`.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

import jsonschema
from jsonschema.exceptions import ValidationError
from referencing import Registry

from controller.declaration.marks import Key, Locate
from controller.declaration.schema import LATER, checker, relaxed, target_of
from controller.declaration.suggest import among, did_you_mean
from controller.model.diagnostic import Diagnostic, Place

TYPES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
MOST_ERRORS: Final = 100
LONGEST_VALUE: Final = 60


def explain(name: str, data: object, locate: Locate) -> Iterator[Diagnostic]:
    """Explain why a block of the kind `name` is not accepted; nothing when it is."""
    root = relaxed(name)
    if root.get(LATER):
        yield _later(f"{name} blocks", locate((), False))
        return
    count = 0
    for path in _unsupported(root, root, data, ()):
        count += 1
        yield _later(f"`{'.'.join(map(str, path))}`", locate(path, False))
    validator = jsonschema.Draft202012Validator(root, registry=Registry())
    for error in validator.iter_errors(data):
        for finding in _findings(error, locate):
            count += 1
            yield finding
        if count >= MOST_ERRORS:
            return
    if not count:
        yield from _unexplained(name, data, locate)


def _later(what: str, place: Place) -> Diagnostic:
    return Diagnostic(
        code="not-supported-yet",
        message=f"cannot use {what}: not supported yet",
        place=place,
        hint="remove it; it is refused rather than ignored",
    )


def _unsupported(
    schema: Mapping[str, object], root: Mapping[str, object], data: object, path: tuple[Key, ...]
) -> Iterator[tuple[Key, ...]]:
    """Find keys in the data that belong to a later version."""
    schema = target_of(schema, root)
    if schema.get(LATER):
        yield path
    elif isinstance(data, dict):
        properties = cast("Mapping[str, object]", schema.get("properties", {}))
        other = schema.get("additionalProperties")
        for key, value in data.items():
            inner = properties.get(key, other)
            if isinstance(inner, dict):
                yield from _unsupported(inner, root, value, (*path, key))


def _unexplained(name: str, data: object, locate: Locate) -> Iterator[Diagnostic]:
    """Report in the fast checker's words what only the fast checker refuses, such as a line break at the end."""
    for error in checker(name).iter_errors({"": data}):
        path = tuple(error.instance_path)[1:]
        yield Diagnostic(
            code="wrong-value",
            message=f"cannot use this value of {_key(path)}: {error.message[:200]}",
            place=locate(path, True),
        )


def _findings(error: ValidationError, locate: Locate) -> Iterator[Diagnostic]:
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error, path, locate)
    elif error.validator == "required":
        yield from _missing_keys(error, path, locate)
    elif "propertyNames" in error.absolute_schema_path:
        yield Diagnostic(
            code="bad-name",
            message=f"cannot use {_shown(error.instance)} as a name: expected {_expected(error)}",
            place=locate((*path, str(error.instance)), False),
        )
    else:
        yield _wrong_value(error, path, locate)


def _unknown_keys(
    error: ValidationError, path: tuple[Key, ...], locate: Locate
) -> Iterator[Diagnostic]:
    schema = cast("Mapping[str, object]", error.schema)
    known = cast("Mapping[str, object]", schema.get("properties", {}))
    for key in cast("dict[str, object]", error.instance):
        if key not in known:
            yield Diagnostic(
                code="unknown-key",
                message=f"cannot understand the key {_shown(key)} in {_key(path)}",
                place=locate((*path, key), False),
                hint=among(key, known, what="key"),
            )


def _missing_keys(
    error: ValidationError, path: tuple[Key, ...], locate: Locate
) -> Iterator[Diagnostic]:
    present = cast("dict[str, object]", error.instance)
    for key in cast("list[str]", error.validator_value):
        if key not in present:
            yield Diagnostic(
                code="missing-key",
                message=f"cannot do without the key {key} in {_key(path)}",
                place=locate(path, False),
            )


def _wrong_value(error: ValidationError, path: tuple[Key, ...], locate: Locate) -> Diagnostic:
    schema = error.schema if isinstance(error.schema, dict) else {}
    hint = cast("str | None", schema.get("x-hint"))
    if error.validator == "enum" and isinstance(error.instance, str):
        allowed = [str(item) for item in cast("list[object]", error.validator_value)]
        hint = did_you_mean(error.instance, allowed)
    code = "wrong-type" if error.validator == "type" else "wrong-value"
    return Diagnostic(
        code=code,
        message=f"cannot use {_shown(error.instance)} as {_key(path)}: expected {_expected(error)}",
        place=locate(path, True),
        hint=hint,
    )


def _expected(error: ValidationError) -> str:
    wanted = error.schema.get("x-expected") if isinstance(error.schema, dict) else None
    if wanted:
        return str(wanted)
    value = error.validator_value
    if error.validator == "uniqueItems":
        return "every item only once"
    return _bound(str(error.validator), value)


def _bound(keyword: str, value: object) -> str:
    match keyword:
        case "type":
            kinds = cast("list[str]", value if isinstance(value, list) else [value])
            return " or ".join(TYPES[kind] for kind in kinds if kind != "null")
        case "enum":
            return "one of " + ", ".join(map(str, cast("list[object]", value)))
        case "minimum" | "minLength" | "minItems" | "minProperties":
            return f"at least {value}"
        case "maximum" | "maxLength" | "maxItems" | "maxProperties":
            return f"at most {value}"
        case _:
            return f"{keyword} {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return TYPES["object" if isinstance(value, dict) else "array"]
    text = str(value)
    if value is None or isinstance(value, bool):
        text = {None: "nothing", True: "true", False: "false"}[value]
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _key(path: tuple[Key, ...]) -> str:
    return f"`{'.'.join(map(str, path))}`" if path else "this block"
