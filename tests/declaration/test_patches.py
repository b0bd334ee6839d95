"""What is written is what git takes."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.declaration.overlay import Overlay
from controller.declaration.patches import patch
from tests.fakes.repositories import Repository
from tests.fakes.trees import MemoryTree


@pytest.mark.parametrize(
    "path", ["a.txt", "deep/er/a.txt", "with space.txt", 'quo"te.txt', "back\\slash", "ümlaut\tx"]
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("one\n", "two\n"),
        ("one", "two\n"),
        ("one\n", "two"),
        ("one", "two"),
        ("", "new\n"),
        ("old\n", ""),
        ("a\r\nb\n", "a\r\nc\x0c\x85\n"),
        ("".join(f"{n}\n" for n in range(40)), "".join(f"{n}\n" for n in range(1, 41))),
    ],
)
def test_git_takes_the_patch_and_gives_the_text(
    tmp_path: Path, path: str, before: str, after: str
) -> None:
    repository = Repository(tmp_path)
    repository.commit({path: before})
    made = patch({path: (before, after)})
    repository.git("apply", "--check", "-", stdin=made.encode())
    repository.git("apply", "-", stdin=made.encode())
    assert (tmp_path / path).read_bytes() == after.encode()


def test_files_that_are_equal_are_left_out() -> None:
    assert patch({"a": ("x", "x")}) == ""


@given(st.text(alphabet="ab\n\r-+@\\ ", max_size=30), st.text(alphabet="ab\n\r-+@\\ ", max_size=30))
def test_no_line_of_a_text_is_taken_for_a_line_of_the_patch(before: str, after: str) -> None:
    rows = patch({"a": (before, after)}).split("\n")
    assert all(row[:1] in {" ", "+", "-", "@", "\\"} for row in rows[3:] if row)


def test_an_overlay_shows_the_tree_with_other_bytes() -> None:
    below = MemoryTree({"a": "1", "b": "2"})
    tree = Overlay(below, {"a": b"changed"})
    assert tree.read(["a", "b"]) == {"a": b"changed", "b": b"2"}
    assert tree.entries["a"].size == 7
    assert tree.entries["a"].blob != below.entries["a"].blob
    assert tree.entries["b"] == below.entries["b"]
