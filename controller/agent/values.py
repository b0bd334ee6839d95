"""The values a setting can have: each reader gives one, or raises ValueError with what would be right.

`options` names them; they call nobody. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from controller.wire.record import record

MOST_PORT = 65_535
LONGEST = 4_096
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?")
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{0,4}|[0-9.]{7,15})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FLAGS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@record
class Address:
    """A host name or address with its port; written `host:port`, an IPv6 address in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(usual: int | None, *, least: int = 1) -> Callable[[str], Address]:
    """Make the reader of an address.

    Args:
        usual: the port where none is said; None where one must be.
        least: the lowest port; 0 lets the kernel choose.
    """
    example = "such as 192.0.2.1:9443, [2001:db8::1]:9443 or web-1.example.com:9443"

    def read(text: str) -> Address:
        host, port = _split(text)
        if port == "" and usual is not None:
            port = f":{usual}"
        good = _ADDRESS.fullmatch(host) if ":" in host else _HOST.fullmatch(host)
        if not good or not re.fullmatch(r":[0-9]{1,5}", port):
            raise ValueError(example)
        number = int(port[1:])
        if not least <= number <= MOST_PORT:
            raise ValueError(f"a port from {least} to {MOST_PORT}")
        return Address(host=host, port=number)

    return read


def path(text: str) -> str:
    """Read an absolute path; `/` at its end goes."""
    if not text.startswith("/") or len(text) > LONGEST or not text.isprintable():
        raise ValueError("an absolute path of printable characters")
    if {".", ".."} & set(text.split("/")):
        raise ValueError("a path without . and ..")
    return text.rstrip("/") or "/"


def name(text: str) -> str:
    """Read the name of a machine, as its certificate has it."""
    if not _NAME.fullmatch(text):
        raise ValueError("letters, digits, . _ -, at most 128, a letter or digit first")
    return text


def count(least: int, most: int) -> Callable[[str], int]:
    """Make the reader of a whole number."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def seconds(least: int, most: int) -> Callable[[str], int]:
    """Make the reader of a duration; bounds are seconds."""

    def read(text: str) -> int:
        found = _DURATION.fullmatch(text)
        value = int(found[1]) * _UNITS[found[2]] if found else -1
        if not least <= value <= most:
            raise ValueError(f"a duration such as 30s, 15m, 48h or 7d, from {least}s to {most}s")
        return value

    return read


def flag(text: str) -> bool:
    """Read yes or no."""
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError("yes or no") from None


def _split(text: str) -> tuple[str, str]:
    """Part a host and `:port`, which may be empty."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return (host, port) if ":" in host else ("", port)
    host, colon, port = text.partition(":")
    return host, colon + port
