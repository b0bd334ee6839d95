"""Bytes of YAML or JSON -> a document of scalars in order.

Bounded, without aliases, tags and second documents; comments are not kept. Called by `file`; calls `plain`.
"""

import json
from collections.abc import Iterator
from typing import Final

import yaml

from controller.secrets.sops.plain import resolve
from controller.secrets.sops.values import Document, Node, Scalar, Type, number, text, truth
from controller.secrets.trouble import ReadingError

LARGEST_FILE: Final = 1 << 20
MOST_DEPTH: Final = 32
MOST_NODES: Final = 50_000


def read_document(data: bytes, *, as_json: bool) -> Document:
    """Read a document.

    Raises:
        ReadingError: it is too large, too deep, or not a mapping of plain data.
    """
    if len(data) > LARGEST_FILE:
        raise ReadingError(f"it is over {LARGEST_FILE >> 10} KiB")
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ReadingError("it is no UTF-8") from None
    node = _Json().read(source) if as_json else _Yaml(source).read()
    if not isinstance(node, dict):
        raise ReadingError("it is no mapping")
    return node


def looks_like_json(name: str, data: bytes) -> bool:
    """Say whether a file is JSON: by its name, else by its first letter."""
    if name.endswith((".yaml", ".yml")):
        return False
    return name.endswith(".json") or data.lstrip()[:1] == b"{"


class _Count:
    """Counts what is read, and stops in time."""

    def __init__(self) -> None:
        self._left = MOST_NODES

    def node(self, depth: int) -> None:
        self._left -= 1
        if depth > MOST_DEPTH or self._left < 0:
            raise ReadingError(f"it has over {MOST_DEPTH} levels or {MOST_NODES} values")


def _whole(value: str) -> str:
    """Refuse halves of characters, which JSON can name and nobody can write."""
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ReadingError("it holds half a character")
    return value


def _add(mapping: Document, key: str, node: Node) -> None:
    if key in mapping:
        raise ReadingError(f"the key {key[:60]!a} is there twice")
    mapping[key] = node


class _Yaml:
    """Builds nodes from the events of the parser."""

    def __init__(self, source: str) -> None:
        self._events = yaml.parse(source, Loader=yaml.CSafeLoader)
        self._count = _Count()

    def read(self) -> Node:
        try:
            return self._document()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = "" if mark is None else f" in line {mark.line + 1}"
            raise ReadingError(f"it is no YAML{at}") from None

    def _document(self) -> Node:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise ReadingError("it is empty")
        node = self._node(next(self._events), 1)
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise ReadingError("it holds several documents")
        return node

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._count.node(depth)
        if (
            isinstance(event, yaml.AliasEvent)
            or getattr(event, "anchor", None) is not None
            or getattr(event, "tag", None) is not None
        ):
            raise ReadingError(f"it has an alias or a tag in line {_line(event)}")
        if isinstance(event, yaml.ScalarEvent):
            return resolve(event.value) if event.implicit[0] else text(event.value)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        return [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]

    def _mapping(self, depth: int) -> Document:
        found: Document = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar) or key.type is not Type.STR or key.text == "<<":
                raise ReadingError(f"a key in line {_line(event)} is no text")
            _add(found, key.text, self._node(next(self._events), depth + 1))
        return found

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event


def _line(event: yaml.Event) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1


class _Json:
    """Builds nodes from what the parser of JSON gives; every number is one with a fraction, as SOPS reads it."""

    def __init__(self) -> None:
        self._count = _Count()

    def read(self, source: str) -> Node:
        try:
            found: object = json.loads(
                source,
                object_pairs_hook=_Pairs,
                parse_int=_json_number,
                parse_float=_json_number,
                parse_constant=_json_number,
            )
        except RecursionError:
            raise ReadingError(f"it has over {MOST_DEPTH} levels or {MOST_NODES} values") from None
        except json.JSONDecodeError as error:
            raise ReadingError(f"it is no JSON in line {error.lineno}") from None
        return self._node(found, 1)

    def _node(self, found: object, depth: int) -> Node:
        self._count.node(depth)
        match found:
            case _Pairs():
                mapping: Document = {}
                for key, value in found:
                    _add(mapping, _whole(key), self._node(value, depth + 1))
                return mapping
            case list():
                return [self._node(item, depth + 1) for item in found]
            case bool():
                return truth(found)
            case Scalar() | None:
                return found
            case _:
                return text(_whole(str(found)))


class _Pairs(tuple[tuple[str, object], ...]):
    """The members of an object, so that a name that comes twice is seen."""

    __slots__ = ()


def _json_number(digits: str) -> Scalar:
    try:
        return number(float(digits))
    except (ValueError, OverflowError):
        raise ReadingError("a number is too large") from None
