"""Durations, sizes, amounts and times as people write them, as values; called by the rules after the schema has said yes. Pure."""

from datetime import UTC, datetime
from typing import Final

from controller.model.amount import Amount

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


def processors(value: object) -> float:
    """Turn a number of processors such as `1.5`, or a share such as `50%`, into processors.

    Raises:
        ValueError: it is neither.
    """
    text = str(value)
    return int(text[:-1]) / 100 if text.endswith("%") else float(text)


def amount(value: object) -> Amount:
    """Turn a count such as `3`, or a share such as `25%`, into an amount.

    Raises:
        ValueError: it is neither.
    """
    text = str(value)
    if text.endswith("%"):
        return Amount(number=int(text[:-1]), percent=True)
    return Amount(number=int(float(text)))


def instant(text: str) -> datetime:
    """Turn a day, which means its beginning in UTC, or a time of RFC 3339 into a moment in UTC.

    Raises:
        ValueError: there is no such day or time, or it has no zone.
    """
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        if "T" in text.upper():
            raise ValueError(f"cannot read {text[:40]!r} as a time: it has no zone")
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"cannot read {text[:40]!r} as a time: no calendar has it") from error
