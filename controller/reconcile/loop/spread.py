"""Spreading what would else happen at the same moment: each name has its own share, the same after every restart.

Pure. Called by whoever says when a key is due.
"""

import zlib
from typing import Final

WIDTH: Final = 0.1
"""A spread time is so much of itself shorter or longer at most."""


def share(name: str) -> float:
    """Give a number from 0 to 1 that belongs to a name."""
    return zlib.crc32(name.encode(errors="surrogateescape")) / (1 << 32)


def spread(seconds: float, name: str) -> float:
    """Give a time that is a little longer or shorter, by name."""
    return seconds * (1.0 - WIDTH + 2 * WIDTH * share(name))


def backoff(fails: int, name: str, *, first: float = 1.0, longest: float = 300.0) -> float:
    """Give the pause after so many failures one after the other (the first is 0): twice as long each time, spread by name."""
    pause = min(longest, first * 2.0 ** min(fails, 30))
    return float(pause * (0.5 + share(f"{name} {fails}") / 2))
