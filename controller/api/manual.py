"""The description of the API as people read it: `/docs`, made of the OpenAPI document without any script.

Pure. Called by the page.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

Json = Mapping[str, Any]


def manual(schema: Json) -> dict[str, object]:
    """Sort all operations by their tags."""
    tags: dict[str, list[object]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(
                entry(method.upper(), path, operation, schema)
            )
    return {
        "description": schema["info"]["description"],
        "tags": [{"name": name, "operations": found} for name, found in tags.items()],
    }


def entry(method: str, path: str, operation: Json, schema: Json) -> dict[str, object]:
    """Describe one operation."""
    status, answer = next(iter(operation["responses"].items()))
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation.get("description") or operation.get("summary", ""),
        "needs": operation.get("x-needs", ""),
        "parameters": [
            {
                "name": one["name"],
                "place": one["in"],
                "meaning": one.get("description", "") or words(one.get("schema", {})),
            }
            for one in operation.get("parameters", ())
        ],
        "body": example_of(operation.get("requestBody", {}).get("content", {}), schema),
        "status": status,
        "answer": example_of(answer.get("content", {}), schema),
    }


def words(schema: Json) -> str:
    """Say in words what a value is."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    found = schema.get("anyOf", [schema])
    return " or ".join(str(one.get("type", "")) for one in found if one.get("type") != "null")


def example_of(content: Json, schema: Json) -> str | None:
    """Show what JSON looks like here: each name with what it takes."""
    for kind, one in content.items():
        if "json" in kind and "schema" in one:
            return json.dumps(sketch(one["schema"], schema, 0), indent=2, ensure_ascii=False)
    return None


def sketch(part: Json, schema: Json, depth: int) -> object:
    """Draw a value of a schema."""
    while "$ref" in part or "oneOf" in part or "anyOf" in part:
        part = resolved(part, schema)
    if depth > DEEPEST:
        return "…"
    if "examples" in part:
        return part["examples"][0]
    if part.get("type") == "object" or "properties" in part:
        found = part.get("properties", {}).items()
        return {name: sketch(one, schema, depth + 1) for name, one in found}
    if part.get("type") == "array":
        return [sketch(part.get("items", {}), schema, depth + 1)]
    if "const" in part or "default" in part:
        return part.get("const", part.get("default"))
    return part.get("description") or words(part) or "…"


DEEPEST: Final = 5


def resolved(part: Json, schema: Json) -> Json:
    """Follow one reference, or take the first of several."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        found: Json = schema["components"]["schemas"][name]
        return found
    first: Json = (part.get("oneOf") or part["anyOf"])[0]
    return {**first, **({"examples": part["examples"]} if "examples" in part else {})}
