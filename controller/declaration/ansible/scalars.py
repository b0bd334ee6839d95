"""Scalars of YAML 1.1: what plain text means, and what a tag makes of it.

Called by `yaml`. The patterns that tell a number from a date are those of PyYAML, which Ansible reads with.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

CORE: Final = "tag:yaml.org,2002:"
MERGE: Final = CORE + "merge"
TEXT: Final = CORE + "str"


class Unsafe(str):
    """Text that Ansible would never take for a template; to us it is text as any other."""

    __slots__ = ()


def resolve(text: str) -> str:
    """Give the tag of plain text."""
    patterns: list[tuple[str, object]] = Resolver.yaml_implicit_resolvers.get(text[:1], [])
    for tag, pattern in patterns:
        if pattern.match(text):  # type: ignore[attr-defined]
            return tag
    return TEXT


def construct(tag: str, text: str) -> object:
    """Give the value of a scalar whose tag is known.

    Raises:
        KeyError: the tag is not one of a scalar.
        ValueError: the text is not what its tag says.
    """
    if tag == TEXT:
        return text
    try:
        return _MAKERS[tag](text)
    except ConstructorError as error:
        raise ValueError(str(error.problem)) from None
    except (OverflowError, IndexError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from None  # PyYAML's way to say that the text does not fit


def _number(kind: str) -> Callable[[str], object]:
    def make(text: str) -> object:
        constructor = SafeConstructor()
        node = ScalarNode(CORE + kind, text)
        made: object = getattr(constructor, f"construct_yaml_{kind}")(node)
        return made

    return make


def _boolean(text: str) -> object:
    try:
        return SafeConstructor.bool_values[text.lower()]
    except KeyError:
        raise ValueError(f"{text[:40]!r} is neither true nor false") from None


def _timestamp(text: str) -> str:
    made = _number("timestamp")(text)
    if not isinstance(made, dt.date):
        raise ValueError(f"{text[:40]!r} is no date")  # noqa: TRY004 - the text is wrong
    return made.isoformat()


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.encode("ascii")).decode()
    except (binascii.Error, UnicodeError):
        raise ValueError("binary data is not the base64 of any text") from None


_MAKERS: Final[Mapping[str, Callable[[str], object]]] = {
    TEXT: str,
    CORE + "null": lambda text: None,
    CORE + "bool": _boolean,
    CORE + "int": _number("int"),
    CORE + "float": _number("float"),
    CORE + "timestamp": _timestamp,
    CORE + "binary": _binary,
    MERGE: str,
    "!unsafe": Unsafe,
}
