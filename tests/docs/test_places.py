"""The walk and the words name files: each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"`([a-z_]+/[a-z_/]*(?:\.py)?)`")


@pytest.mark.parametrize("page", ["walk", "vocabulary"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    rows = (ROOT / "docs" / f"{page}.md").read_text().splitlines()
    named = {place for row in rows if row.startswith("|") for place in PLACE.findall(row)}
    assert len(named) > 10
    assert [place for place in sorted(named) if not (ROOT / "controller" / place).exists()] == []


def test_the_walk_has_the_steps_of_the_program_in_their_order() -> None:
    text = (ROOT / "docs" / "walk.md").read_text()
    steps = re.findall(r"^\d+\. \*\*(.+?)\.\*\*", text, flags=re.MULTILINE)
    assert steps[:3] == ["See the configuration", "Load", "See what people decided"]
    assert steps.index("Observe") < steps.index("Compare secrets") < steps.index("Plan")
    assert steps.index("Submit") < steps.index("Settle") == len(steps) - 1
