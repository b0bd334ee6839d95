"""Values of a declaration file, written anew at their place; everything else of the file stays as it is.

Called by `reconcile` when live content is adopted. Pure. The file has been read before, so that its bounds hold. Whoever
calls loads the result and compares: what is written is checked by its effect.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import yaml

from controller.declaration.decoding import FORBIDDEN
from controller.declaration.events import Parser
from controller.errors import RefusedError
from controller.model.diagnostic import Place

_BLOCK_STYLES: Final = frozenset({"|", ">"})
_ESCAPED: Final = re.compile("[\x7f-\x9f\ufeff\u2028\u2029]")
INDENT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value as it is written: offsets of its text, its style, the column of its key, and whether it stands in `{}`."""

    start: int
    end: int
    style: str | None
    column: int
    flow: bool


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rewrite:
    """A stretch of a file, by offsets, and what stands there instead."""

    start: int
    end: int
    text: str


def find(text: str, key: Place) -> Scalar:
    """Find the value that stands under a key.

    Raises:
        RefusedError: it is no plain value of its own: an alias, or one that others refer to.
    """
    flow: list[bool] = []
    found = False
    for event in yaml.parse(text, Loader=Parser):
        mark, end = event.start_mark, event.end_mark
        if mark is None or end is None:
            continue
        if found:
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None:
                break
            return Scalar(
                start=mark.index,
                end=end.index,
                style=event.style,
                column=key.column - 1,
                flow=any(flow),
            )
        if isinstance(event, yaml.CollectionStartEvent):
            flow.append(bool(event.flow_style))
        elif isinstance(event, yaml.CollectionEndEvent):
            flow.pop()
        elif isinstance(event, yaml.ScalarEvent):
            found = (mark.line + 1, mark.column + 1) == (key.line, key.column)
    raise RefusedError(
        f"cannot write another value at {key}: it is shared by an anchor or an alias",
        hint="edit it by hand",
    )


def replaced(text: str, key: Place, value: str) -> Rewrite:
    """Write another value under a key, as a block where it was one or has several lines."""
    old = find(text, key)
    if old.flow or not _fits_block(value) or ("\n" not in value and old.style not in _BLOCK_STYLES):
        new = in_quotes(value)
        return Rewrite(start=old.start, end=_end(text, old), text=new + _break_after(text, old))
    return Rewrite(
        start=old.start,
        end=_end(text, old),
        text=_block(value, _indent(text, old), old.column) + _break_after(text, old),
    )


def added(text: str, beside: Place, key: str, value: str) -> Rewrite:
    """Write a new key behind one that is there, as its neighbour is written."""
    old = find(text, beside)
    new = f"{key}: {in_quotes(value)}"
    if old.flow:
        return Rewrite(start=old.end, end=old.end, text=f", {new}")
    if old.style in _BLOCK_STYLES:
        raise RefusedError(f"cannot add {key} behind {beside}", hint="add it by hand")
    at = text.find("\n", old.end)
    at = len(text) if at < 0 else at
    return Rewrite(start=at, end=at, text=f"\n{' ' * old.column}{new}")


def rewrite(text: str, rewrites: Iterable[Rewrite]) -> str:
    """Carry out rewrites of one text, which do not overlap."""
    for one in sorted(rewrites, reverse=True):
        text = text[: one.start] + one.text + text[one.end :]
    return text


def in_quotes(value: str) -> str:
    """Write a value in double quotes; those of YAML hold those of JSON."""
    made = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", made)


def _fits_block(value: str) -> bool:
    """Say whether a block can hold a value: lines of characters that YAML may show, with one end at most."""
    if not value.strip() or value.endswith("\n\n"):
        return False
    return FORBIDDEN.search(value) is None and not re.search("[\r\x85\u2028\u2029]", value)


def _end(text: str, old: Scalar) -> int:
    """Say where a value ends; empty lines behind a block are left where they are, unless they belong to it."""
    if old.style not in _BLOCK_STYLES:
        return old.end
    written = text[old.start : old.end]
    kept = "+" in written.partition("\n")[0]
    return old.end if kept else old.start + len(written.rstrip("\n "))


def _break_after(text: str, old: Scalar) -> str:
    """Give the line feed that a kept block took with it."""
    gone = text[old.start : _end(text, old)].endswith("\n")
    return "\n" if gone else ""


def _indent(text: str, old: Scalar) -> int:
    """Say how far a block is indented: as it was, else a little more than its key."""
    header, *lines = text[old.start : old.end].split("\n")
    written = next((line for line in lines if line.strip()), "")
    if old.style not in _BLOCK_STYLES or re.search("[0-9]", header) or not written:
        return old.column + INDENT
    return len(written) - len(written.lstrip(" "))


def _block(value: str, indent: int, column: int) -> str:
    """Write a value as a literal block."""
    ended = value.endswith("\n")
    lines = value.removesuffix("\n").split("\n")
    first = next(line for line in lines if line)
    explicit = str(indent - column) if first[0] in " \t" else ""
    margin = " " * indent
    head = f"|{explicit}{'' if ended else '-'}"
    return "\n".join([head, *(f"{margin}{line}" if line else "" for line in lines)])
