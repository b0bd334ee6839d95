"""Words in a systemd unit come back as they were."""

import shlex

import pytest
from hypothesis import given, strategies as st

from controller.agent.unit_words import plain, quoted

printable = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20).filter(
    str.isprintable
)


@given(st.lists(printable, min_size=1, max_size=5))
def test_a_command_line_reads_back_as_its_words(words: list[str]) -> None:
    line = " ".join(map(quoted, words))
    assert [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)] == words, line


@given(printable)
def test_no_sign_of_a_specifier_or_a_variable_stands_alone(word: str) -> None:
    assert "%" not in quoted(word).replace("%%", "")
    assert "$" not in quoted(word).replace("$$", "")


@pytest.mark.parametrize("text", ["a\nUser=evil", "a\tb", "\x00", "a\x7f", "a\u2028b"])
def test_what_is_no_single_line_is_refused(text: str) -> None:
    for write in (quoted, plain):
        with pytest.raises(ValueError, match="into a unit"):
            write(text)
