import pytest
from hypothesis import given, strategies as st

from controller.declaration.ranges import MOST_NAMES, RangeError, expand


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("plain", ["plain"]),
        ("web-[1:3]", ["web-1", "web-2", "web-3"]),
        ("web-[08:10].x", ["web-08.x", "web-09.x", "web-10.x"]),
        ("n[0:10:5]", ["n0", "n5", "n10"]),
        ("[a:c]", ["a", "b", "c"]),
        ("[A:B][1:2]", ["A1", "A2", "B1", "B2"]),
        ("[5:5]", ["5"]),
    ],
)
def test_ranges_expand_as_in_ansible(pattern: str, names: list[str]) -> None:
    assert list(expand(pattern)) == names


@pytest.mark.parametrize(
    "pattern",
    [
        "[3:1]",
        "[1:2",
        "1:2]",
        "[a:2]",
        "[]",
        "[1]",
        "[1:9:0]",
        "[01:100]",
        "[1:9999999]",
        "[1:999][1:999]",
    ],
)
def test_what_is_no_range_is_refused(pattern: str) -> None:
    with pytest.raises(RangeError):
        expand(pattern)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 9))
def test_both_ends_belong_to_a_range(low: int, extent: int, step: int) -> None:
    names = expand(f"n[{low}:{low + extent}:{step}]")
    assert names[0] == f"n{low}"
    assert len(names) == extent // step + 1
    assert len(set(names)) == len(names)


@given(st.text(alphabet="[]:019aZ-", max_size=30))
def test_any_text_expands_to_few_names_or_is_refused(text: str) -> None:
    try:
        names = expand(text)
    except RangeError:
        return
    assert 1 <= len(names) <= MOST_NAMES
