"""Names with ranges: `web-[01:03].example.com`, `db-[a:c]`, `n[0:10:2]`; called by `servers`. Pure.

The rules are Ansible's: both ends belong to the range, a leading zero keeps the width, a third number is the step.
"""

import re
from collections.abc import Iterator
from itertools import product
from typing import Final

RANGE: Final = re.compile(
    r"\[(?:([0-9]{1,9}):([0-9]{1,9})|([a-z]):([a-z])|([A-Z]):([A-Z]))(?::([0-9]{1,6}))?\]"
)
MOST_NAMES: Final = 100_000


class RangeError(ValueError):
    """A range cannot be expanded."""


def expand(pattern: str) -> tuple[str, ...]:
    """Give every name that a pattern stands for, in order.

    Raises:
        RangeError: a bracket is not a range, a range runs backwards, or the names are too many.
    """
    if "[" not in pattern and "]" not in pattern:
        return (pattern,)
    pieces: list[tuple[str, ...]] = []
    end = 0
    total = 1
    for match in RANGE.finditer(pattern):
        pieces.append((pattern[end : match.start()],))
        total *= _length(match)
        if total > MOST_NAMES:
            raise RangeError(f"cannot expand {pattern}: more than {MOST_NAMES} names")
        pieces.append(tuple(_values(match)))
        end = match.end()
    pieces.append((pattern[end:],))
    if any("[" in text or "]" in text for piece in pieces for text in piece):
        raise RangeError(f"cannot expand {pattern}: expected a range such as [01:03] or [a:c]")
    return tuple("".join(parts) for parts in product(*pieces))


def _bounds(match: re.Match[str]) -> range:
    low, high, small, small_end, large, large_end, step = match.groups()
    stride = int(step) if step else 1
    first, last = (
        (int(low), int(high)) if low else (ord(small or large), ord(small_end or large_end))
    )
    if stride == 0 or last < first:
        raise RangeError(f"cannot expand {match.group()}: it must run upwards")
    return range(first, last + 1, stride)


def _length(match: re.Match[str]) -> int:
    return len(_bounds(match))


def _values(match: re.Match[str]) -> Iterator[str]:
    low, high = match.group(1), match.group(2)
    if low is None:
        return (chr(number) for number in _bounds(match))
    width = len(low) if low.startswith("0") and len(low) > 1 else 0
    if width and len(high) != width:
        raise RangeError(f"cannot expand {match.group()}: both ends must be equally long")
    return (f"{number:0{width}d}" for number in _bounds(match))
