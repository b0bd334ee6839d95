"""Durations and sizes as people write them, as numbers; called by the rules after the schema has said yes. Pure."""

from typing import Final

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def seconds(text: str) -> float:
    """Turn a duration such as `30s`, `5m`, `12h`, `7d` or `0` into seconds.

    Raises:
        ValueError: it is none.
    """
    if text == "0":
        return 0.0
    if text[-1:] not in SECONDS:
        raise ValueError(f"cannot read {text[:40]!r} as a duration")
    return float(text[:-1]) * SECONDS[text[-1]]


def size(text: str) -> int:
    """Turn a size such as `512M` or `2G` into bytes.

    Raises:
        ValueError: it is none.
    """
    if text[-1:] in BYTES:
        return int(text[:-1]) * BYTES[text[-1]]
    return int(text)
