"""Parameters as people type them: read by the schema of each, and never taken for templates.

Pure. Called by `running`; calls the rules of `declaration`.
"""

import json
from collections.abc import Mapping

from controller.declaration.params import complaints
from controller.errors import UsageError
from controller.model.task import Param


def given(declared: Mapping[str, Param], typed: Mapping[str, str]) -> dict[str, object]:
    """Read parameters as typed: text where text is wanted, else JSON; defaults fill the rest.

    Raises:
        UsageError: one is unknown, missing, or not what its schema asks for.
    """
    for name in typed:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise UsageError(f"there is no parameter {name!r}", hint=f"declared: {known}")
    values: dict[str, object] = {}
    for name, param in declared.items():
        if name in typed:
            values[name] = literal(read_value(param, typed[name]))
        elif param.required:
            raise UsageError(f"parameter {name} is required", hint=f"-p {name}=VALUE")
        elif param.default is not None:
            values[name] = param.default
    return values


def read_value(param: Param, text: str) -> object:
    """Read one parameter by the type its schema names."""
    value: object = text
    if param.schema.get("type", "string") != "string":
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"parameter {param.name} is not {param.schema['type']}: {text!r}"
            ) from error
    for complaint in complaints(param, value):
        raise UsageError(f"parameter {param.name}: {complaint}")
    return value


def literal(value: object) -> object:
    """Write a value so that rendering gives it back as it is: what is typed is data, never a template."""
    match value:
        case str() if "{{" in value or "{%" in value:
            return '{{ "' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '" }}'
        case list():
            return [literal(one) for one in value]
        case dict():
            return {key: literal(one) for key, one in value.items()}
        case _:
            return value
