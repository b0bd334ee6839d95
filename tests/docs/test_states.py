"""The pictures of states show the arrows that are in force."""

from pathlib import Path

import pytest

from controller.jobs.machine import Level, mermaid

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


@pytest.mark.parametrize("level", Level)
def test_the_picture_is_drawn_from_the_table(level: Level) -> None:
    assert f"```mermaid\n{mermaid(level)}```\n" in PAGE.read_text()


def test_there_is_no_other_picture() -> None:
    assert PAGE.read_text().count("```mermaid") == len(Level)
