"""One line of a log: how it is written, hashed and read back.

Pure. Called by `log`, `chain`, `reading` and `verify`. A line is one JSON object in ASCII, so nothing that is inside can end it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from controller.model.masking import Masker

LONGEST: Final = 64 * 1024
"""Bytes of one line; a longer one is written without its fields."""
TEXT: Final = 4096
"""Characters of one text."""
ITEMS: Final = 100
"""Items of one list or mapping."""
DEPTH: Final = 4
"""Lists and mappings inside each other."""
ZEROS: Final = "0" * 64
"""What the very first line chains from."""
FIXED: Final = ("ts", "seq", "prev", "event", "actor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line as it was read; its texts are shown through `safe_text`."""

    ts: datetime
    seq: int
    prev: str
    event: str
    actor: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a line is to say, before it has its place in the chain: JSON already, masked and bounded."""

    event: str
    actor: str
    fields: Mapping[str, object] = field(default_factory=dict)

    def due(self, moment: datetime) -> "Entry":
        """Say when the line should have been written."""
        return replace(self, fields={**self.fields, "due": moment.isoformat()})


def make_entry(
    event: str, actor: str, fields: Mapping[str, object], masker: Masker | None = None
) -> Entry:
    """Mask and bound every text of a line to be; fields of None are left out."""
    mask = _Bounds(masker)
    told = {name: value for name, value in fields.items() if value is not None}
    shown = {name: value for name, value in mask.mapping(told, 0).items() if name not in FIXED}
    return Entry(event=mask.text(event), actor=mask.text(actor), fields=shown)


def write_line(entry: Entry, *, ts: datetime, seq: int, prev: str) -> bytes:
    """Write a line with its line feed; one that is too long goes without its fields."""
    head = {
        "ts": ts.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "seq": seq,
        "prev": prev,
        "event": entry.event,
        "actor": entry.actor,
    }
    data = _dump({**head, **entry.fields})
    return data if len(data) <= LONGEST else _dump({**head, "left_out": f"{len(data)} bytes"})


def read_line(data: bytes) -> Line | None:
    """Read a line without its line feed; None when it is not one of ours."""
    try:
        found = json.loads(data)
        ts = datetime.strptime(found["ts"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        seq, prev, event, actor = (found[name] for name in FIXED[1:])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(seq, int) and all(isinstance(text, str) for text in (prev, event, actor))):
        return None
    fields = {name: value for name, value in found.items() if name not in FIXED}
    return Line(ts=ts, seq=seq, prev=prev, event=event, actor=actor, fields=fields)


def hash_line(data: bytes) -> str:
    """Hash a line without its line feed, as the next line chains from it."""
    return hashlib.sha256(data).hexdigest()


def _dump(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


class _Bounds:
    """Turns any value into JSON that is masked and bounded."""

    def __init__(self, masker: Masker | None) -> None:
        self._masker = masker

    def text(self, text: str) -> str:
        shown = self._masker.text(text) if self._masker else text
        more = len(shown) - TEXT
        return f"{shown[:TEXT]}… ({more} more)" if more > 0 else str(shown)

    def mapping(self, values: Mapping[str, object], depth: int) -> dict[str, object]:
        some = list(values.items())[:ITEMS]
        shown = {self.text(str(name)): self.value(value, depth + 1) for name, value in some}
        more = len(values) - len(some)
        return shown | {"…": f"{more} more"} if more else shown

    def value(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) < 1 << 63:
            return int(value)
        if isinstance(value, Mapping) and depth < DEPTH:
            return self.mapping(value, depth)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and depth < DEPTH:
            shown = [self.value(item, depth + 1) for item in value[:ITEMS]]
            return [*shown, f"… ({len(value) - ITEMS} more)"] if len(value) > ITEMS else shown
        return self.scalar(value)

    def scalar(self, value: object) -> object:
        if isinstance(value, float):
            # JSON has no infinity and no NaN
            return value if value - value == 0 else str(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "backslashreplace"))
        return self.text(str(value.value if isinstance(value, Enum) else value))
