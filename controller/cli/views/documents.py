"""Documents for programs: JSON, JSON lines, YAML and names.

Everything outside printable ASCII is escaped, so that a document never moves a terminal's cursor either.
"""

import json
from collections.abc import Iterable

import yaml

from controller.reconcile.documents import plain


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
