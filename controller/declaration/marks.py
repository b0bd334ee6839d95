"""Places of keys and items, kept beside the data instead of inside it.

A mark mirrors one value. A scalar's mark is a position; a list's is `[position, mark, mark, ...]`; a mapping's is
`[position, key position, value mark, key position, value mark, ...]` in the order of the keys. A position is one
number, so that marks are small, cheap to make and cheap to cache. `reader` makes them, `forms` keeps them, whoever
reports a finding asks `locate`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from controller.model.diagnostic import Place

COLUMN_BITS: Final = 21
"""Enough for one line as long as the largest file that is read."""
COLUMN_MASK: Final = (1 << COLUMN_BITS) - 1

Marks = int | list["Marks"]
Key = str | int
Locate = Callable[[tuple[Key, ...], bool], Place]
"""Gives the place of the key at a path, or of its value when the second argument is true."""


def position(line: int, column: int) -> int:
    """Pack line and column, both from 0."""
    return line << COLUMN_BITS | column


def place(file: str, packed: int) -> Place:
    """Unpack a position into a place, where lines and columns count from 1."""
    return Place(file=file, line=(packed >> COLUMN_BITS) + 1, column=(packed & COLUMN_MASK) + 1)


def locate(data: object, marks: Marks, path: Sequence[Key], *, value: bool = False) -> int:
    """Find where the key at `path` is written, or its value; the nearest that exists where it does not."""
    found = _own(marks)
    for key in path:
        index = _index(data, key)
        if index is None or isinstance(marks, int):
            return found
        if isinstance(data, Mapping):
            at, marks = marks[1 + 2 * index], marks[2 + 2 * index]
            data = data[key]
            found = _own(marks) if value else _own(at)
        elif isinstance(data, list):
            marks, data = marks[1 + index], data[index]
            found = _own(marks)
    return found


def _own(marks: Marks) -> int:
    while isinstance(marks, list):
        marks = marks[0]
    return marks


def _index(data: object, key: Key) -> int | None:
    if isinstance(data, Mapping):
        return next((index for index, name in enumerate(data) if name == key), None)
    if isinstance(data, list) and isinstance(key, int) and 0 <= key < len(data):
        return key
    return None
