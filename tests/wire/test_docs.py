"""The page about the protocol says what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

import pytest

from controller.wire import frames, handshake
from controller.wire.limits import LIMITS, Limits
from controller.wire.messages.greetings import Farewell
from controller.wire.messages.table import BY_RECORD, KINDS

ROOM = Path(frames.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()


def rows(title: str) -> list[list[str]]:
    """Give the cells of the first table below a title."""
    below = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in below.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    said = [
        [
            f"`{kind.name}`",
            kind.to.value,
            kind.manner.value,
            f"`{BY_RECORD[kind.reply].name}`"
            if kind.reply
            else (kind.flow.value if kind.flow else "—"),
            " ".join(f"`{field.name}`" for field in dataclasses.fields(kind.record)) or "—",
        ]
        for kind in KINDS
    ]
    assert rows("Kinds of messages") == said


def test_the_table_of_limits_is_that_of_the_code() -> None:
    shown = {row[0]: row[1] for row in rows("Limits and times")}
    assert shown == {
        f"`{field.name}`": f"{getattr(LIMITS, field.name):,g}"
        if isinstance(getattr(LIMITS, field.name), float)
        else f"{getattr(LIMITS, field.name):,}"
        for field in dataclasses.fields(Limits)
    }


def test_the_reasons_of_goodbyes_are_those_of_the_code() -> None:
    assert [row[0] for row in rows("Goodbyes")] == [f"`{reason}`" for reason in get_args(Farewell)]


def test_every_breach_that_the_code_names_is_on_the_page() -> None:
    named = set()
    for path in ROOM.rglob("*.py"):
        named |= set(re.findall(r'ProtocolError\(\s*"([a-z-]+)"', path.read_text()))
        named |= set(re.findall(r'\), "(bad-[a-z]+)"\),', path.read_text()))
    named |= {"header-too-large", "payload-too-large"}
    shown = {code for row in rows("Breaches") for code in re.findall(r"`([a-z-]+)`", row[0])}
    assert shown == named - set(get_args(Farewell))


@pytest.mark.parametrize(
    "words",
    [f"`{frames.MAGIC:#04x}`", f"{frames.PREFIX.size} bytes", f"Version {handshake.VERSION}"],
)
def test_the_numbers_of_the_frame_are_those_of_the_code(words: str) -> None:
    assert words in PAGE
