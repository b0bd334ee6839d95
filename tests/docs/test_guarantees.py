"""Every promise names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "guarantees.md").read_text().splitlines()
    if line.startswith("| **")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("**")[1])
def test_a_promise_names_tests_that_are_there(row: str) -> None:
    named = re.findall(r"`(tests/[^`]+)`", row.rsplit(" | ", 1)[-1])
    assert named
    for name in named:
        path = ROOT / name
        files = list(path.rglob("test_*.py")) if path.is_dir() else [path]
        assert any("def test_" in file.read_text() for file in files), name


def test_there_are_promises() -> None:
    assert len(ROWS) > 10
