"""One declared block: a name, the plain data under it, and where each of its keys is written.

`forms` makes blocks from a file or from the cache; every rule reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from controller.declaration.marks import (
    COLUMN_BITS,
    COLUMN_MASK,
    Key,
    Marks,
    locate,
    place,
)
from controller.model.diagnostic import Place


@dataclass(slots=True, kw_only=True)
class Block:
    """What stands under one name; `kind` is the top-level key, `name` as written (ranges not expanded).

    `marks` stay packed until somebody asks for a place. Once `fill` has laid the block over its defaults, `data` holds
    both, and a key that only the defaults have is found there.
    """

    kind: str
    name: str
    file: str
    at: int
    data: dict[str, object]
    marks: Marks | bytes
    defaults: "Block | None" = None
    written: dict[str, object] | None = None
    """What the block itself says, once `data` holds more than that."""

    @property
    def place(self) -> Place:
        """Where the name is written."""
        return place(self.file, self.at)

    def fill(self, defaults: "Block") -> None:
        """Lay the block over the defaults of its kind."""
        self.defaults = defaults
        self.written = self.data
        self.data = merged(defaults.data, self.data)

    @property
    def own(self) -> dict[str, object]:
        """What the block itself says."""
        return self.data if self.written is None else self.written

    def where(self, *path: Key, value: bool = False) -> Place:
        """Find where a key is written, or its value; the nearest that is written where it is not."""
        if not path:
            return self.place
        if path[0] in self.own:
            return place(self.file, locate(self.own, self.unpacked(), path, value=value))
        if self.defaults is not None and path[0] in self.defaults.own:
            return self.defaults.where(*path, value=value)
        return self.place

    def places(self, *path: Key) -> dict[str, Place]:
        """Give the place of every key of the mapping at `path`."""
        data: object = self.own
        marks: Marks = self.unpacked()
        for key in path:
            if not isinstance(data, dict) or isinstance(marks, int) or key not in data:
                return {}
            marks = marks[2 + 2 * list(data).index(key)]
            data = data[key]
        if not isinstance(data, dict) or isinstance(marks, int):
            return {}
        positions = cast("list[int]", marks[1::2])
        file = self.file
        return {
            # `place` written out: this line runs for every variable of every server.
            key: Place(file=file, line=(at >> COLUMN_BITS) + 1, column=(at & COLUMN_MASK) + 1)
            for key, at in zip(data, positions, strict=True)
        }

    def locate(self, path: tuple[Key, ...], value: bool) -> Place:  # noqa: FBT001 - the shape of `Locate`
        """Find a place as `explain` asks for it."""
        return self.where(*path, value=value)

    def unpacked(self) -> Marks:
        """Give the marks of the data, unpacking them the first time."""
        if isinstance(self.marks, bytes):
            self.marks = cast("Marks", msgspec.msgpack.decode(self.marks))
        return self.marks


def merged(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay one mapping over another; mappings inside are merged too, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result
