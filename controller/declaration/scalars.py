"""Plain scalars by the YAML 1.2 core schema.

`yes`, `on`, `22:22` and `2024-02-30` are strings here, `0o17` is octal, `010` is ten. Called by `reader` for every
scalar without quotes and tag; calls nothing. Source of the rules: YAML 1.2.2, section 10.3.2.
"""

import math
import re
from typing import Final

CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
MAYBE_NUMBER: Final = frozenset("0123456789+-.")
DECIMAL: Final = re.compile(r"[-+]?[0-9]+")
OCTAL: Final = re.compile(r"0o[0-7]+")
HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MOST_DIGITS: Final = 40
"""Longer numbers are refused before they are computed: converting them costs more than linear time."""


class ScalarError(ValueError):
    """A plain scalar looks like a number that cannot be kept exactly; `code` is the diagnostic's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def resolve(text: str) -> str | int | float | bool | None:
    """Give a plain scalar its YAML 1.2 core value.

    Raises:
        ScalarError: a number is beyond 64 bits or not finite.
    """
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in MAYBE_NUMBER:
        return text
    return _number(text)


def _number(text: str) -> str | int | float:
    if DECIMAL.fullmatch(text):
        return _bounded(text, 10)
    if OCTAL.fullmatch(text):
        return _bounded(text[2:], 8)
    if HEXADECIMAL.fullmatch(text):
        return _bounded(text[2:], 16)
    if NOT_FINITE.fullmatch(text):
        raise ScalarError("number-not-finite", f"cannot use {text}: it is not a finite number")
    if FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ScalarError("number-too-large", f"cannot keep {text[:40]}: too large a number")
        return number
    return text


def _bounded(digits: str, base: int) -> int:
    if len(digits) <= MOST_DIGITS:
        number = int(digits, base)
        if -(2**63) <= number < 2**63:
            return number
    raise ScalarError(
        "number-too-large", f"cannot keep the number {digits[:40]}: it needs more than 64 bits"
    )
