"""What a SOPS document is made of: nested mappings and lists of scalars, each scalar with its type and the text SOPS hashes.

Used by every module beside it. The text is kept instead of a number, so that nothing is lost on the way.
"""

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from controller.secrets.trouble import ReadingError


class Type(StrEnum):
    """The types of values, as they stand in the file."""

    STR = "str"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value; bytes that are no UTF-8 are surrogates in `text`, which no message shows."""

    type: Type
    text: str = field(repr=False)

    def encoded(self) -> bytes:
        """Give the bytes that are encrypted and hashed."""
        return self.text.encode("utf-8", "surrogateescape")


Node: TypeAlias = "Scalar | list[Node] | dict[str, Node] | None"
Document: TypeAlias = dict[str, Node]
Path: TypeAlias = tuple[str | int, ...]

_INT: Final = re.compile(r"[-+]?[0-9]{1,19}")
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
LONGEST_NUMBER: Final = 400


def text(value: str) -> Scalar:
    """Make a scalar of text."""
    return Scalar(type=Type.STR, text=value)


def truth(value: bool) -> Scalar:  # noqa: FBT001  # the value itself
    """Make a scalar of a truth value."""
    return Scalar(type=Type.BOOL, text="True" if value else "False")


def number(value: float) -> Scalar:
    """Make a scalar of a number with a fraction, in the shortest digits that mean it, without an exponent."""
    if math.isnan(value) or math.isinf(value):
        shown = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        return Scalar(type=Type.FLOAT, text=shown)
    digits = format(Decimal(repr(value)), "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return Scalar(type=Type.FLOAT, text=digits)


def typed(kind: str, raw: bytes) -> Scalar:
    """Make a scalar of what was decrypted, in the form in which SOPS hashes it.

    Raises:
        ReadingError: the type is unknown, or the bytes are none of it.
    """
    shown = raw.decode("utf-8", "surrogateescape")
    try:
        wanted = Type(kind)
    except ValueError:
        raise ReadingError(f"a value has the type {kind[:20]!a}") from None
    match wanted:
        case Type.INT if _INT.fullmatch(shown):
            return Scalar(type=wanted, text=str(int(shown)))
        case Type.FLOAT if len(shown) <= LONGEST_NUMBER:
            return _float(shown)
        case Type.BOOL if shown in _TRUE | _FALSE:
            return truth(shown in _TRUE)
        case Type.STR | Type.BYTES | Type.TIME:
            return Scalar(type=wanted, text=shown)
        case _:
            raise ReadingError(f"a value of the type {wanted} holds none")


def _float(shown: str) -> Scalar:
    try:
        return number(float(shown))
    except ValueError:
        raise ReadingError("a value of the type float holds none") from None


def path_text(path: Path) -> str:
    """Write a path as people type it."""
    return ".".join(map(str, path))
