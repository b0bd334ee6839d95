"""Untrusted text stays text, whatever is in it."""

import re
import unicodedata

import pytest
from hypothesis import given, strategies as st

from controller.model.safe_text import safe_text

ANYTHING = st.one_of(st.text(), st.binary(), st.text(alphabet="\x1b[];0123456789mHJ\r\n\t a\u202e"))


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain ~text~ with \\x41", "plain ~text~ with \\x41"),
        ("naïve 日本語 🎉", "naïve 日本語 🎉"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("a\u200bb\u2066c\ufeff", r"a\u200bb\u2066c\ufeff"),
        ("a\u2028b\u3164", r"a\u2028b\u3164"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff", r"\udcff"),
        (b"ok \xff\xfe", r"ok \xff\xfe"),
        (b"\xe2\x80\xae", r"\u202e"),
    ],
)
def test_what_is_not_simply_seen_is_escaped(given_text: str | bytes, shown: str) -> None:
    assert safe_text(given_text) == shown


@given(ANYTHING, st.booleans())
def test_no_text_can_leave_its_line(value: str | bytes, colours: bool) -> None:
    shown = safe_text(value, colours=colours)
    rest = re.sub(r"\x1b\[[0-9;]*m", "", shown) if colours else shown
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in rest)
    assert len(shown.splitlines()) <= 1
    shown.encode()  # whoever prints it cannot fail


@given(ANYTHING)
def test_lines_are_kept_only_when_asked_for(value: str | bytes) -> None:
    shown = safe_text(value, lines=True)
    assert all(c in "\n\t" or unicodedata.category(c) != "Cc" for c in shown)
    feed = value.count(b"\n") if isinstance(value, bytes) else value.count("\n")
    assert shown.count("\n") == feed


@given(ANYTHING)
def test_showing_twice_changes_nothing_more(value: str | bytes) -> None:
    once = safe_text(value)
    assert safe_text(once) == once


@given(st.text(alphabet="ab\u0300\u202e", max_size=60), st.integers(1, 20))
def test_a_line_has_an_end(value: str, width: int) -> None:
    shown = safe_text(value, width=width)
    assert len(shown) <= 6 * width + len("… (60 more)")
    assert shown.endswith(" more)") == (len(value) > width)


def test_a_long_text_has_an_end() -> None:
    shown = safe_text("a\n" * 3_000_000, lines=True)
    assert len(shown) < 1_000_100
    assert shown.endswith("more)")


def test_colours_pass_by_a_list_and_end_with_the_line() -> None:
    assert safe_text("\x1b[1;31mred", colours=True) == "\x1b[1;31mred\x1b[0m"
    assert safe_text("\x1b[32mok\x1b[0m", colours=True) == "\x1b[32mok\x1b[0m"
    assert safe_text("\x1b[8mhidden", colours=True) == r"\x1b[8mhidden"
    assert safe_text("\x1b[41mx\x1b[2J", colours=True) == r"\x1b[41mx\x1b[2J"
    assert safe_text("\x1b[31mred") == r"\x1b[31mred"
    assert safe_text("\x1b[31ma\nb", lines=True, colours=True) == "\x1b[31ma\x1b[0m\nb"


def test_marks_do_not_climb_over_other_lines() -> None:
    assert safe_text("e\u0301") == "e\u0301"
    assert safe_text("e" + "\u0301" * 50).count("\u0301") == 4
