"""Serial numbers, written as `openssl x509 -serial` and Python's `getpeercert()` write them.

One spelling everywhere, so that the agent compares text with text: upper-case hex, an even number of digits.
"""

import re
import secrets
from collections.abc import Container
from typing import Final

LEAST: Final = 64
MOST: Final = 159
"""Bits of a serial: enough that nobody guesses one, and positive in the 20 bytes of RFC 5280, 4.1.2.2."""

_SERIAL: Final = re.compile(r"[0-9A-F]{2,40}")


def draw(used: Container[str]) -> int:
    """Draw a number that was never used.

    Args:
        used: every serial that was ever given out, as text.
    """
    while True:
        number = secrets.randbits(MOST)
        if number.bit_length() >= LEAST and text_of(number) not in used:
            return number


def text_of(number: int) -> str:
    """Write a serial."""
    digits = f"{number:X}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def number_of(text: str) -> int:
    """Read a serial that was written here."""
    return int(text, 16)


def read(text: str) -> str | None:
    """Read what a person typed, in any case, with colons or without; None when it is no serial."""
    digits = text.replace(":", "").upper()
    return text_of(int(digits, 16)) if _SERIAL.fullmatch(digits) else None
