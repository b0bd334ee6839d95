"""Quoting for `sh`: any bytes but NUL as one word on one line.

Called by `protocol`; it calls nothing. A newline cannot stand in a line of the runner's protocol, so it is spliced in
from the variable `NL`, which the runner sets before it reads its first request.
"""

from typing import Final

from controller.errors import StateError

NEWLINE: Final = b"'\"$NL\"'"
APOSTROPHE: Final = b"'\\''"


def quote(value: str | bytes) -> bytes:
    """Give `value` as one word of `sh` without a newline.

    Raises:
        StateError: it holds a NUL byte, which no variable of a shell can.
    """
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if b"\0" in raw:
        raise StateError("cannot hand a NUL byte to a shell")
    return b"'" + raw.replace(b"'", APOSTROPHE).replace(b"\n", NEWLINE) + b"'"


def assign(**values: str | bytes | int) -> bytes:
    """Give assignments `a='1' b='x'` in the order of the arguments."""
    return b" ".join(
        name.encode() + b"=" + quote(str(value) if isinstance(value, int) else value)
        for name, value in values.items()
    )
