"""Host patterns of an inventory: `web[01:20:2].example.com:2222` as names and a port.

Called by `ini` and `tree`. The rules are Ansible's, odd corners included: letters count from a to Z, a first
bound with a leading zero asks for bounds of equal length, numbers may run down to nothing.
"""

import re
import string
from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv6Address
from itertools import product
from typing import Final

MAX_EXPANSION: Final = 100_000
"""Names one pattern may stand for."""

_RANGE: Final = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]"
_LETTER: Final = rf"(?:\w|{_RANGE})"
_LABEL: Final = rf"{_LETTER}(?:(?:{_LETTER}|-){{0,61}}{_LETTER})?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[(.+)\]:([0-9]{1,9})")
_WITH_PORT: Final = re.compile(rf"((?:[^:\[\]]|{_RANGE})*):([0-9]{{1,9}})", re.IGNORECASE)
_HEX_RANGE: Final = re.compile(r"\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]", re.IGNORECASE)
_PARTS: Final = 3


def expand(pattern: str) -> tuple[Sequence[str], int | None]:
    """Give the host names that `pattern` stands for, in order, and the port it ends with.

    Raises:
        ValueError: the pattern is not one; the message says why, and what was expected.
    """
    if pattern.strip() == "---":
        raise ValueError("'---' begins a YAML file, not a host")
    if pattern.strip().endswith(":"):
        raise ValueError(f"{pattern!r} ends in ':', which announces a port")
    name, port = _split_port(pattern)
    if "[" not in name:
        return (name,), port
    return _expand(name), port


def _split_port(pattern: str) -> tuple[str, int | None]:
    for shape in (_BRACKETED, _WITH_PORT):
        match = shape.fullmatch(pattern)
        if match:
            host, port = match.groups()
            return (host, int(port)) if _is_address(host) else (pattern, None)
    return pattern, None


def _is_address(text: str) -> bool:
    if _HOST_NAME.fullmatch(text):
        return True
    try:
        IPv6Address(_HEX_RANGE.sub("1", text))
    except AddressValueError:
        return False
    return "%" not in text


def _expand(pattern: str) -> list[str]:
    """Expand range after range from the left; a later range varies fastest."""
    parsed: list[tuple[str, Callable[[object], str], Sequence[object]]] = []
    rest, total = pattern, 1
    while "[" in rest:
        head, bounds, rest = _split_range(rest)
        parsed.append((head, *_sequence(bounds)))
        total *= len(parsed[-1][2])
        if total > MAX_EXPANSION:
            raise ValueError(f"{pattern!r} stands for more than {MAX_EXPANSION} hosts")
    if not total:
        return []
    pieces = [[head + fill(item) for item in sequence] for head, fill, sequence in parsed]
    return ["".join(parts) + rest for parts in product(*pieces)]


def _split_range(text: str) -> tuple[str, list[str], str]:
    parts = text.replace("[", "|", 1).replace("]", "|", 1).split("|")
    if len(parts) != _PARTS:
        raise ValueError(f"{text!r} has a '[' without its ']', or a '|'")
    bounds = parts[1].split(":")
    if len(bounds) not in {2, 3}:
        raise ValueError(f"range [{parts[1]}] is not of the form [begin:end] or [begin:end:step]")
    return parts[0], bounds, parts[2]


def _sequence(bounds: list[str]) -> tuple[Callable[[object], str], Sequence[object]]:
    """Give how to write the items of a range, and the items."""
    first, last = bounds[0] or "0", bounds[1]
    shown = ":".join(bounds)
    if not last:
        raise ValueError(f"range [{shown}] has no end")
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and width != len(last):
        raise ValueError(f"range [{shown}] begins with zeros: both ends must be equally long")
    try:
        step = int(bounds[2]) if len(bounds) == _PARTS else 1
        low, high = string.ascii_letters.find(first), string.ascii_letters.find(last)
        letters = string.ascii_letters[low : high + 1 : step]
        numbers = range(0) if min(low, high) >= 0 else range(int(first), int(last) + 1, step)
    except ValueError:
        raise ValueError(f"range [{shown}] is not made of numbers or letters") from None
    if min(low, high) >= 0:
        if low > high:
            raise ValueError(f"range [{shown}] ends before it begins")
        return str, letters
    if numbers.stop - numbers.start > MAX_EXPANSION * max(1, abs(step)):
        raise ValueError(f"range [{shown}] stands for more than {MAX_EXPANSION} hosts")
    return (lambda item: str(item).zfill(width)), numbers
