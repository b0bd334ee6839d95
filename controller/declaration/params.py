"""Parameters of tasks: their schemas, and the values that targets give them; called by `tasks` and `targets`.

The schemas come from the config repository, so nothing in them may cost much: no references, and patterns run on an
engine that takes linear time.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Final, cast

import jsonschema_rs

from controller.declaration.block import Block
from controller.declaration.marks import Key
from controller.declaration.suggest import among
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Diagnostic
from controller.model.task import Param

OUR_KEYS: Final = frozenset({"default", "secret"})
REGEX: Final = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)


def declared(wishes: Wishes, block: Block) -> dict[str, Param]:
    """Build the parameters of a task; a default that its own schema refuses is an error."""
    params: dict[str, Param] = {}
    for name, body in cast("dict[str, dict[str, object]]", block.data.get("params", {})).items():
        schema = {key: value for key, value in body.items() if key not in OUR_KEYS}
        params[name] = Param(
            name=name,
            schema=schema,
            default=body.get("default"),
            required="default" not in body,
            secret=body.get("secret") is True,
            place=block.where("params", name),
        )
        # First the schema: a default that is a template is judged only once it is rendered.
        broken = tuple(_wrong_schema(params[name], block))
        wishes.findings.extend(broken)
        if "default" in body and not broken:
            wishes.findings.extend(
                wrong(params[name], body["default"], block, ("params", name, "default"))
            )
    return params


def given(wishes: Wishes, params: Mapping[str, Param], block: Block) -> dict[str, object]:
    """Check the values that a target gives, and add the defaults."""
    values = cast("dict[str, object]", block.data.get("params", {}))
    for name, value in values.items():
        if name not in params:
            wishes.findings.error(
                "unknown-param",
                f"cannot give the parameter {name[:60]}: the task {block.data['task']} has none",
                block.where("params", name),
                among(name, params, what="parameter"),
            )
        else:
            wishes.findings.extend(wrong(params[name], value, block, ("params", name)))
    for name, param in params.items():
        if param.required and name not in values:
            wishes.findings.error(
                "missing-param",
                f"cannot run the task {block.data['task']} without the parameter {name}",
                block.where("params") if "params" in block.data else block.where("task"),
                f"give it under params, or give it a default at {param.place}",
            )
    defaults = {name: param.default for name, param in params.items() if not param.required}
    return {**defaults, **{name: value for name, value in values.items() if name in params}}


def wrong(param: Param, value: object, block: Block, path: tuple[Key, ...]) -> Iterator[Diagnostic]:
    """Say why a value does not fit; text with a template is judged once it is rendered."""
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        return
    try:
        validator = jsonschema_rs.Draft202012Validator(dict(param.schema), pattern_options=REGEX)
        errors = list(validator.iter_errors(value))[:10]
    except (jsonschema_rs.ValidationError, ValueError):
        yield from _wrong_schema(param, block)
        return
    for error in errors:
        inner = tuple(error.instance_path)
        what = "its value" if param.secret else error.message[:200]
        yield Diagnostic(
            code="wrong-param",
            message=f"cannot use this as the parameter {param.name}: {what}"
            + (" does not fit its schema" if param.secret else ""),
            place=block.where(*path, *inner, value=True),
            hint=f"the parameter is declared at {param.place}",
        )


def _wrong_schema(param: Param, block: Block) -> Iterator[Diagnostic]:
    try:
        jsonschema_rs.Draft202012Validator(dict(param.schema), pattern_options=REGEX)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        reason = getattr(error, "message", str(error))
        yield Diagnostic(
            code="wrong-schema",
            message=f"cannot use the schema of the parameter {param.name}: {reason[:200]}",
            place=block.where("params", param.name, "pattern"),
            hint="patterns have no look-around and no back-references",
        )


def complaints(param: Param, value: object) -> tuple[str, ...]:
    """Say what a value given by hand has against its schema, ten complaints at most."""
    validator = jsonschema_rs.Draft202012Validator(dict(param.schema), pattern_options=REGEX)
    found = itertools.islice(validator.iter_errors(value), 10)
    if param.secret:
        return tuple("its value does not fit its schema" for _ in found)
    return tuple(error.message[:200] for error in found)
