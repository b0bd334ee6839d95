"""The command line of `ctl top`: what it understands, and what it says of the rest."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from controller.cli.top.words import HELP, NotUnderstoodError, Order, Word, named, read

ROWS = ("aaaa", "bbbb", "cccc")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (":attach job-1", Order(word=Word.ATTACH, about=("job-1",))),
        (":at x", Order(word=Word.ATTACH, about=("x",))),
        (":stop a b  c", Order(word=Word.STOP, about=("a", "b", "c"))),
        (":q", Order(word=Word.QUIT)),
        (":filter", Order(word=Word.FILTER)),
        (":detach", Order(word=Word.DETACH)),
    ],
)
def test_commands_are_read_also_by_their_first_letters(text: str, order: Order) -> None:
    assert read(text) == order


@pytest.mark.parametrize("text", ["", "y", "stop job-1", " :stop"])
def test_what_has_no_colon_is_input(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (":stpo x", "did you mean :stop"),
        (":", "lists all"),
        (":s x", "lists all"),
        (":stop", "needs a job"),
    ],
)
def test_what_is_no_command_is_told_what_to_type(text: str, words: str) -> None:
    with pytest.raises(NotUnderstoodError, match=words):
        read(text)


def test_a_job_is_named_by_its_row_or_its_id() -> None:
    assert named("job-2", ROWS) == "bbbb"
    assert named("cc", ROWS) == "cc"
    assert named("job-x", ROWS) == "job-x"


@pytest.mark.parametrize("about", ["job-0", "job-4"])
def test_a_row_that_is_not_there_is_said(about: str) -> None:
    with pytest.raises(NotUnderstoodError, match="3 jobs are shown"):
        named(about, ROWS)


@given(st.text())
def test_no_line_breaks_it(text: str) -> None:
    with contextlib.suppress(NotUnderstoodError):
        order = read(text)
        assert (order is None) == (not text.startswith(":"))
    with contextlib.suppress(NotUnderstoodError):
        assert named(text, ROWS) in (text, *ROWS)


def test_every_word_is_explained() -> None:
    assert set(HELP) == set(Word)
