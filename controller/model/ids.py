"""Names and ids, and where new ids come from.

Ids are twelve characters of Crockford's base 32 (60 random bits), unique over all controllers that may meet on
one server; people may type any unique prefix.
"""

import re
from collections.abc import Callable
from typing import Final, NewType

RunId = NewType("RunId", str)
JobId = NewType("JobId", str)
AttemptId = NewType("AttemptId", str)
Digest = NewType("Digest", str)
"""SHA-256 as 64 lower-case hex digits."""
Sha = NewType("Sha", str)
"""A git commit id, 40 or 64 lower-case hex digits."""


IdFactory = Callable[[], str]
"""Gives a fresh id at each call; the composition root binds it to the system's randomness."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""What a declared name looks like; servers may also be host names (`HOST_NAME`)."""
HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9_])?")

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def encode_id(entropy: bytes) -> str:
    """Turn eight random bytes into an id of twelve characters."""
    number = int.from_bytes(entropy[:8], "big")
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(12))


def attempt_id(job: JobId, step: str, number: int) -> AttemptId:
    """Name try `number` (from 1) of a step; safe as a file name on the server."""
    return AttemptId(f"{job}.{step}.{number}")
