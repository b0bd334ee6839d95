"""Records as lines that prove themselves: `LENGTH CRC32 JSON`, both numbers as eight hex digits.

A line that was torn by a crash, or changed on the disk, is seen as such. The ledger and the exit file use it; it calls
nobody.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping

HEAD = len(b"00000000 00000000 ")
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def encode(record: Mapping[str, object]) -> bytes:
    """Write a record as one line, pure ASCII, with its newline."""
    body = _encode(record).encode("ascii")
    return b"%08x %08x %s\n" % (len(body), binascii.crc32(body), body)


def decode(line: bytes) -> dict[str, object] | None:
    """Read a line with its newline; None when it is not exactly what `encode` wrote."""
    body = line[HEAD:-1]
    if line[:HEAD] != b"%08x %08x " % (len(body), binascii.crc32(body)) or line[-1:] != b"\n":
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
