"""A plan as the JSON document that people, pipelines and saved plan files carry.

Called by the faces and by `saved`. Additive only: `format_version` "1.0" never loses or renames a field.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

import msgspec

from controller.errors import DeclarationError
from controller.model.diagnostic import Diagnostic
from controller.model.plan import Change, Plan
from controller.planning.words import input_words

FORMAT_VERSION: Final = "1.0"


def document(plan: Plan) -> dict[str, object]:
    """Write a plan as JSON types."""
    built: dict[str, object] = {"format_version": FORMAT_VERSION}
    for one in fields(plan):
        if one.name not in {"changes", "diagnostics"}:
            # Sets are written in order, so that equal plans are equal texts.
            built[one.name] = msgspec.to_builtins(getattr(plan, one.name), order="deterministic")
    built["changes"] = [_change(change) for change in plan.changes]
    built["diagnostics"] = [diagnostic_document(one) for one in plan.diagnostics]
    return built


def _change(change: Change) -> dict[str, object]:
    built: dict[str, object] = {
        "kind": "target",
        "name": f"{change.target}/{change.server}",
        **msgspec.to_builtins(change),
    }
    diffs = [file.diff for file in change.files if file.diff]
    told = diffs or [f"~ {input_words(name)}" for name in change.inputs]
    built["diff"] = "\n".join(told) or None
    return built


def diagnostic_document(one: Diagnostic) -> dict[str, object]:
    """Write a finding as `ctl validate -o json` has it."""
    return {
        "severity": str(one.severity),
        "code": one.code,
        "message": one.message,
        "file": one.place.file,
        "line": one.place.line,
        "column": one.place.column,
        "hint": one.hint,
    }


def read_document(built: object) -> Plan:
    """Read a plan that `document` wrote; fields nobody knows are left alone.

    Raises:
        DeclarationError: it is no plan, or one of a format that cannot be read.
    """
    if not isinstance(built, Mapping):
        raise DeclarationError("cannot read the plan: it is not a JSON object")
    version = built.get("format_version")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise DeclarationError(
            f"cannot read the plan: its format_version is {json.dumps(version)[:40]}, not 1.x",
            hint="make the plan again with this ctl",
        )
    found = built.get("diagnostics", [])
    rows = found if isinstance(found, list) else []
    try:
        plan = msgspec.convert({**built, "diagnostics": [_placed(row) for row in rows]}, Plan)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"cannot read the plan: {error}") from error
    return plan


def _placed(row: object) -> object:
    if not isinstance(row, Mapping):
        return row
    return {**row, "place": {key: row[key] for key in ("file", "line", "column") if key in row}}
