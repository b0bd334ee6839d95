"""The values a JSON header may hold: each check gives a value as a record holds it, or refuses it.

`forms` calls it. Strict about types (true is no number, a text no list), bounded, and finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

MOST_INT: Final = (1 << 63) - 1
Check = Callable[[object], object]
"""Gives a JSON value as a record holds it, or raises ValueError."""


def check_text(value: object) -> str:
    """Take a text that can be written as UTF-8."""
    if type(value) is not str:
        raise ValueError("is not a text")
    if not value.isascii():
        value.encode()  # half a surrogate pair is no text
    return value


def check_count(value: object) -> int:
    """Take a whole number from 0."""
    if type(value) is not int or not 0 <= value <= MOST_INT:
        raise ValueError("is not a whole number from 0")
    return value


def check_number(value: object) -> float:
    """Take a finite number from 0."""
    if type(value) not in (int, float) or not isinstance(value, (int, float)):
        raise ValueError("is not a number")
    if not 0 <= value <= MOST_INT or math.isnan(value):
        raise ValueError("is not a finite number from 0")
    return float(value)


def check_flag(value: object) -> bool:
    """Take true or false."""
    if type(value) is not bool:
        raise ValueError("is neither true nor false")
    return value


def check_array(check: Check) -> Check:
    """Take an array of what `check` takes."""

    def many(value: object) -> object:
        if not isinstance(value, list):
            raise ValueError("is not an array")  # noqa: TRY004 - as all refusals
        return tuple(check(item) for item in value)

    return many


def check_object(check: Check) -> Check:
    """Take an object whose values `check` takes."""

    def mapping(value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError("is not an object")  # noqa: TRY004 - as all refusals
        return {check_text(name): check(item) for name, item in value.items()}

    return mapping


def check_nullable(check: Check) -> Check:
    """Take null, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def check_choice(allowed: tuple[object, ...]) -> Check:
    """Take one of the allowed words."""
    known = frozenset(allowed)

    def choice(value: object) -> object:
        if check_text(value) not in known:
            raise ValueError("is not one of the known words")
        return value

    return choice


PLAIN: Final[Mapping[str, Check]] = {
    "str": check_text,
    "int": check_count,
    "float": check_number,
    "bool": check_flag,
}
"""By annotation."""
