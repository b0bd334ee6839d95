"""Reading what a step wrote into its CTL_OUTPUT file.

Pure. Called by `attempt` at the end of an attempt; the bytes come from the server and are not trusted.
"""

import re
from dataclasses import dataclass, field
from typing import Final

LIMIT: Final = 64
"""Outputs one step may give."""
KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The outputs of a step, and how many lines were not of the form `key=value` or one too many."""

    values: dict[str, str] = field(default_factory=dict)
    refused: int = 0


def parse_outputs(content: bytes) -> Outputs:
    """Read `key=value` lines; the last of a key counts, empty lines mean nothing."""
    values: dict[str, str] = {}
    refused = 0
    for line in content.split(b"\n"):
        key, equals, value = line.removesuffix(b"\r").decode(errors="replace").partition("=")
        if not line.strip():
            continue
        fits = key in values or len(values) < LIMIT
        if equals and fits and KEY.fullmatch(key) and "\0" not in value:
            values[key] = value
        else:
            refused += 1
    return Outputs(values=values, refused=refused)
