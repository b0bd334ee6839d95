"""Where files and checkouts go on a server: which paths can be used; called by `deliveries` and `contents`. Pure."""

import posixpath
import unicodedata
from functools import lru_cache
from typing import Final

LONGEST_PATH: Final = 1024
"""Bytes of a path; Linux takes 4,096, and a temporary name must still fit beside it."""
LONGEST_NAME: Final = 200
"""Bytes of one name in a path; file systems take 255."""
UNSHOWN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that no path may hold: control characters, halves of characters, breaks of lines."""


@lru_cache(maxsize=4096)  # most paths are those of thousands of servers
def complaint(path: str) -> str | None:
    """Say why a path cannot be a destination; None when it can."""
    if any(unicodedata.category(one) in UNSHOWN for one in path):
        return f"the path {path[:60]!r} holds a control character"
    if not path.startswith("/"):
        return f"the path {path[:60]} is not absolute: it must begin with /"
    if ".." in path.split("/"):
        return f"the path {path[:60]} holds .."
    plain = "/" + posixpath.normpath(path).lstrip("/")
    if path != plain:
        return f"the path {path[:60]} is not written plainly: expected {plain[:60]}"
    return _size_complaint(path)


def _size_complaint(path: str) -> str | None:
    if path == "/":
        return "the path / is the folder that holds everything"
    if len(path.encode()) > LONGEST_PATH:
        return f"the path {path[:60]}... has more than {LONGEST_PATH} bytes"
    if any(len(name.encode()) > LONGEST_NAME for name in path.split("/")):
        return f"the path {path[:60]}... holds a name of more than {LONGEST_NAME} bytes"
    return None
