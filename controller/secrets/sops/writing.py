"""A document of scalars -> bytes of YAML or JSON, in the order it has. Called by `file` and the face of `ctl secret`."""

import json
from collections.abc import Callable, Iterator
from typing import Final

import yaml

from controller.secrets.sops.leaf import is_closed
from controller.secrets.sops.plain import may_be_plain
from controller.secrets.sops.values import Document, Node, Scalar, Type, text


def write_document(document: Document, *, as_json: bool) -> bytes:
    """Write a document in the order it has."""
    if as_json:
        return (json.dumps(_plain(document), indent="\t", ensure_ascii=False) + "\n").encode(
            "utf-8", "surrogateescape"
        )
    events = (
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *_events(document),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    )
    written: str = yaml.emit(
        events, Dumper=yaml.SafeDumper, indent=4, width=1 << 20, allow_unicode=True
    )
    return written.encode("utf-8", "surrogateescape")


def _plain(node: Node) -> object:
    match node:
        case dict():
            return {key: _plain(value) for key, value in node.items()}
        case list():
            return [_plain(item) for item in node]
        case Scalar(type=Type.BOOL):
            return node.text == "True"
        case Scalar(type=Type.INT | Type.FLOAT) if node.text not in _FLOATS:
            return json.loads(node.text)
        case Scalar():
            return node.text
        case None:
            return None


def _events(node: Node) -> Iterator[yaml.Event]:
    match node:
        case dict():
            yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not node)
            for key, value in node.items():
                yield _scalar(text(key))
                yield from _events(value)
            yield yaml.MappingEndEvent()
        case list():
            yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not node)
            for item in node:
                yield from _events(item)
            yield yaml.SequenceEndEvent()
        case _:
            yield _scalar(node)


def _scalar(scalar: Scalar | None) -> yaml.Event:
    """Write a scalar so that every reader of YAML takes it for what it is."""
    if scalar is None:
        return _written("null", None)
    if scalar.type in {Type.STR, Type.BYTES}:
        return _written(scalar.text, _style(scalar.text))
    return _written(_WORDING.get(scalar.type, str)(scalar.text), None)


def _style(value: str) -> str | None:
    if is_closed(value) or may_be_plain(value):
        return None
    many = "\n" in value and value.strip() == value.rstrip("\n") and "\t" not in value
    return "|" if many and all(line.isprintable() for line in value.split("\n")) else '"'


def _short(digits: str) -> str:
    """Write a very large or small number with an exponent."""
    return digits if len(digits) <= LONGEST_DIGITS else repr(float(digits))


LONGEST_DIGITS: Final = 24
_FLOATS: Final = {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}
_WORDING: Final[dict[Type, Callable[[str], str]]] = {
    Type.BOOL: str.lower,
    Type.FLOAT: lambda shown: _FLOATS.get(shown) or _short(shown),
}


def _written(value: str, style: str | None) -> yaml.Event:
    plain = style is None
    return yaml.ScalarEvent(None, None, (plain, not plain), value, style=style)
