"""Documents for programs: JSON, JSON lines, YAML and names.

Everything outside printable ASCII is escaped, so that a document never moves a terminal's cursor either.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Final

import yaml

from controller.cli.dates import iso

FORMAT_VERSION: Final = "1.0"


def plain(value: object) -> object:
    """Turn records, enums, paths, times and bytes into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return _scalar(value)


def _scalar(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return iso(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)


def to_json(document: object) -> str:
    """Print one document, indented."""
    return _escape(json.dumps(plain(document), indent=2))


def to_jsonl(documents: Iterable[object]) -> str:
    """Print one document a line."""
    return "\n".join(_escape(json.dumps(plain(document))) for document in documents)


def to_yaml(document: object) -> str:
    """Print one document as YAML, keys in the order given."""
    return yaml.safe_dump(plain(document), sort_keys=False, default_flow_style=False).rstrip("\n")


def _escape(text: str) -> str:
    return text.replace("\x7f", "\\u007f")
