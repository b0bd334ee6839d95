"""A diff says exactly what differs, and never costs or shows more than is allowed."""

import time

from hypothesis import given, strategies as st

from controller.planning.diffs import MOST_LINES, Allowance, text_of, unified

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "x = 1", "\r"]), max_size=40)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def patched(before: str, diff: str) -> str:
    """Apply a diff by the numbers in its heads, as a person's `patch` would."""
    source = before.split("\n")
    made: list[str] = []
    done = 0
    rows = diff.split("\n")[2:]
    for row in rows:
        if row.startswith("@@"):
            start, _, length = row.split()[1][1:].partition(",")
            begin = int(start) - (length != "0")
            made += source[done:begin]
            done = begin
        elif row.startswith("\\"):
            made[-1:] = [made[-1]] if made else []
        else:
            assert row[:1] in {" ", "-", "+"}, row
            if row[:1] != "+":
                assert source[done] == row[1:]
                done += 1
            if row[:1] != "-":
                made.append(row[1:])
    return "\n".join([*made, *source[done:]])


@given(TEXTS)
def test_equal_texts_have_no_diff(text: str) -> None:
    assert unified(text, text, Allowance()) == ""


@given(TEXTS, TEXTS)
def test_a_diff_turns_one_text_into_the_other(before: str, after: str) -> None:
    diff = unified(before, after, Allowance())
    assert (diff == "") == (before == after)
    if diff:
        assert patched(before, diff).rstrip("\n") == after.rstrip("\n")


@given(TEXTS, TEXTS)
def test_without_time_to_compare_a_diff_still_turns_one_text_into_the_other(
    before: str, after: str
) -> None:
    diff = unified(before, after, Allowance(steps=0))
    if diff:
        assert patched(before, diff).rstrip("\n") == after.rstrip("\n")


def test_a_diff_reads_as_people_know_it() -> None:
    before = "".join(f"line {n}\n" for n in range(1, 30))
    after = before.replace("line 5\n", "line five\n").replace("line 25\n", "")
    assert unified(before, after, Allowance()).split("\n") == [
        "--- there",
        "+++ wanted",
        "@@ -2,7 +2,7 @@",
        " line 2",
        " line 3",
        " line 4",
        "-line 5",
        "+line five",
        " line 6",
        " line 7",
        " line 8",
        "@@ -22,7 +22,6 @@",
        " line 22",
        " line 23",
        " line 24",
        "-line 25",
        " line 26",
        " line 27",
        " line 28",
    ]


def test_a_missing_line_feed_at_the_end_is_a_difference() -> None:
    assert unified("a", "a\n", Allowance()).split("\n")[2:] == [
        "@@ -1 +1 @@",
        "-a",
        "\\ No newline at end of file",
        "+a",
    ]


def test_a_long_diff_says_what_it_leaves_out() -> None:
    rows = unified("", "x\n" * 1000, Allowance()).split("\n")
    assert len(rows) == MOST_LINES + 1
    assert rows[-1] == "(803 more lines of this diff are left out)"


def test_all_diffs_together_keep_within_the_bytes_allowed() -> None:
    allowance = Allowance(size=300)
    shown = [unified("", "x" * 90 + "\n", allowance) for _ in range(5)]
    assert ["left out" in one for one in shown] == [False, False, True, True, True]


def test_lines_made_to_be_slow_to_compare_do_not_make_a_plan_slow() -> None:
    before = "".join(f"{n % 90}\n" for n in range(20_000))
    after = "".join(f"{n * 7 % 90}\n" for n in range(20_000))
    began = time.process_time()
    unified(before, after, Allowance())
    assert time.process_time() - began < 2


def test_only_text_is_text() -> None:
    assert text_of("é\n".encode()) == "é\n"
    assert text_of(b"\xff") is None
    assert text_of(b"a\0b") is None
