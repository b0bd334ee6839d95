"""What a plain scalar of YAML means to SOPS, and whether a text may be written plain without meaning something else.

SOPS is a program in Go: these are the rules of its YAML library. Called by `notation`.
"""

import math
import re
from typing import Final

from controller.secrets.sops.values import Scalar, Type, number, text, truth

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS: Final = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_SPECIAL: Final = {
    ".inf": "inf", ".Inf": "inf", ".INF": "inf", "+.inf": "inf", "+.Inf": "inf", "+.INF": "inf",
    "-.inf": "-inf", "-.Inf": "-inf", "-.INF": "-inf", ".nan": "nan", ".NaN": "nan", ".NAN": "nan",
}  # fmt: skip
_INTS: Final = (
    (re.compile(r"[-+]?(0|[1-9][0-9]*)"), 10),
    (re.compile(r"[-+]?0x[0-9a-fA-F]+"), 16),
    (re.compile(r"[-+]?0b[01]+"), 2),
    (re.compile(r"[-+]?0o?[0-7]+"), 8),
)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]|[ ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(\.[0-9]{1,9})?(Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_SAFE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"})
_LARGEST: Final = 1 << 63
_LONGEST: Final = 400
"""Characters of a number or time; longer ones are text."""


def resolve(value: str) -> Scalar | None:
    """Give what a plain scalar means; None is null."""
    if value in _NULLS:
        return None
    if value in _TRUTHS:
        return truth(_TRUTHS[value])
    if value in _SPECIAL:
        return number(float(_SPECIAL[value]))
    if value[0] not in "+-.0123456789" or len(value) > _LONGEST:
        return text(value)
    return _time(value) or _number(value.replace("_", "")) or text(value)


def _number(digits: str) -> Scalar | None:
    for form, base in _INTS:
        if form.fullmatch(digits):
            whole = int(re.sub(r"^([-+]?)0[xob]?(?=.)", r"\1", digits), base)
            if -_LARGEST <= whole < _LARGEST:
                return Scalar(type=Type.INT, text=str(whole))
    found = float(digits) if _FLOAT.fullmatch(digits) else math.inf
    return None if math.isinf(found) else number(found)  # what is too large is text


def _time(value: str) -> Scalar | None:
    """Read a time as RFC 3339 has it, a day alone, or one with a space and no zone."""
    form = _TIME.fullmatch(value)
    if form is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = form.groups()
    spaced = " " in value
    if hour is not None and (zone is None) != spaced:
        return None
    clock = f"{int(hour or 0):02}:{int(minute or 0):02}:{int(second or 0):02}"
    rest = (fraction or "").rstrip("0").rstrip(".")
    where = "Z" if zone in {None, "+00:00"} else zone
    shown = f"{year}-{int(month):02}-{int(day):02}T{clock}{rest}{where}"
    return Scalar(type=Type.TIME, text=shown)


def may_be_plain(value: str) -> bool:
    """Say whether every reader of YAML takes a plain text for this text."""
    return _SAFE.fullmatch(value) is not None and value.lower() not in _WORDS
