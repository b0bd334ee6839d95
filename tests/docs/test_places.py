"""The pages name files, places and libraries: each of them is there, and none is left out."""

import re
import tomllib
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


def anchors(page: Path) -> set[str]:
    """The names that forges give to the headings of a page."""
    heads = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


def test_every_library_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    reasons = (ROOT / "docs" / "adr" / "0003-dependencies.md").read_text().lower()
    for wanted in (*project["dependencies"], *extras):
        name = re.split(r"[\[<>=]", wanted)[0]
        assert name in reasons, name
