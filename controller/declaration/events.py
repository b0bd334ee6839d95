"""The events of PyYAML's parser, as far as `reader` looks at them; the only place that names their classes."""

from collections.abc import Callable
from typing import Final, Protocol, cast

import yaml

Kind = type[object]
SCALAR: Final[Kind] = yaml.ScalarEvent
ALIAS: Final[Kind] = yaml.AliasEvent
MAPPING: Final[Kind] = yaml.MappingStartEvent
MAPPING_END: Final[Kind] = yaml.MappingEndEvent
SEQUENCE_END: Final[Kind] = yaml.SequenceEndEvent
DOCUMENT: Final[Kind] = yaml.DocumentStartEvent
STREAM_END: Final[Kind] = yaml.StreamEndEvent
Parser: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Mark(Protocol):
    """Where an event is, from 0."""

    line: int
    column: int


class Event(Protocol):
    """What this module reads of PyYAML's events; which attributes there are depends on the event's class."""

    start_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


def kind_of(event: Event) -> Kind:
    """Give the class of an event, to be compared with the names above."""
    return type(event)


def parse(text: str) -> Callable[[], Event]:
    """Begin to parse; each call of the result gives the next event or raises `yaml.YAMLError`."""
    return cast("Callable[[], Event]", Parser(text).get_event)
