"""A path that is taken leads to exactly one place below the root, and can be shown."""

import posixpath
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, strategies as st

from controller.declaration.destinations import complaint

PIECES = st.sampled_from(["", ".", "..", "a", "etc", "...", ".a", "ä", " ", "\n", "\x7f", "\u2028"])


@pytest.mark.parametrize("path", ["/a", "/etc/shop.d/a b", "/...", "/.a", "/ä", "/a" * 400])
def test_plain_absolute_paths_are_taken(path: str) -> None:
    assert complaint(path) is None


@given(st.one_of(st.text(), st.lists(PIECES).map("/".join), st.lists(PIECES).map("/".join)))
@example("")
@example("//a")
@example("/a/../../etc/shadow")
def test_what_is_taken_means_only_itself(path: str) -> None:
    if complaint(path) is None:
        assert path == posixpath.normpath(path) == str(PurePosixPath(path))
        assert path.startswith("/")
        assert path != "/"
        assert not path.startswith("//")
        assert ".." not in path.split("/")
        assert path.isprintable() or all(one not in path for one in "\0\n\r\t\x1b\x7f\x85\u2028")


def test_a_refusal_is_short_and_can_be_shown() -> None:
    for path in ("/" + "a" * 5_000, "a" * 5_000, "/\n" + "b" * 5_000, "/a/../" + "c" * 5_000):
        said = complaint(path)
        assert said is not None
        assert len(said) < 200
        assert said.isprintable()
