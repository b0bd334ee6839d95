"""Host patterns: every form of range, ports, and bounds."""

import pytest
from hypothesis import given, strategies as st

from controller.declaration.ansible.ranges import MAX_EXPANSION, expand


@pytest.mark.parametrize(
    ("pattern", "names", "port"),
    [
        ("web", ["web"], None),
        ("web[1:3]", ["web1", "web2", "web3"], None),
        ("web[08:10]", ["web08", "web09", "web10"], None),
        ("web[0:6:3].x", ["web0.x", "web3.x", "web6.x"], None),
        ("db-[a:c]", ["db-a", "db-b", "db-c"], None),
        ("db-[a:e:2]", ["db-a", "db-c", "db-e"], None),
        ("db-[Y:Z]", ["db-Y", "db-Z"], None),
        ("q[:2]", ["q0", "q1", "q2"], None),
        ("r[1:2]-[a:b]", ["r1-a", "r1-b", "r2-a", "r2-b"], None),
        ("w[1:2]:2222", ["w1", "w2"], 2222),
        ("10.0.0.[1:2]:22", ["10.0.0.1", "10.0.0.2"], 22),
        ("[2001:db8::1]:22", ["2001:db8::1"], 22),
        ("2001:db8::1", ["2001:db8::1"], None),
        ("2001:db8::[1:2]", ["2001:db8::1", "2001:db8::2"], None),
        ("n[5:1]", [], None),
        ("-a:22", ["-a:22"], None),
        ("user@h:22", ["user@h:22"], None),
    ],
)
def test_a_pattern_stands_for_names_in_order(
    pattern: str, names: list[str], port: int | None
) -> None:
    found, at = expand(pattern)
    assert (list(found), at) == (names, port)


@pytest.mark.parametrize(
    "pattern",
    [
        "h[1:",
        "h[1]",
        "h[1:2:3:4]",
        "h[01:100]",
        "h[c:a]",
        "h[1:a]",
        "h[1:]",
        "h[1:9:0]",
        "h:",
        "---",
    ],
)
def test_what_is_no_pattern_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"range|ends in|begins|without"):
        expand(pattern)


@pytest.mark.parametrize("pattern", ["h[0:999999999]", "h[1:999][1:999]", "h[1:9999999999999]"])
def test_a_pattern_never_stands_for_more_hosts_than_the_bound(pattern: str) -> None:
    with pytest.raises(ValueError, match=str(MAX_EXPANSION)):
        expand(pattern)


@given(st.integers(0, 500), st.integers(0, 60), st.integers(1, 9), st.integers(1, 5))
def test_a_range_counts_as_python_does_with_both_ends(
    first: int, length: int, step: int, width: int
) -> None:
    last = first + length
    begin, end = str(first).zfill(width), str(last).zfill(width)
    padded = begin.startswith("0") and len(begin) > 1
    if padded and len(begin) != len(end):
        return
    fill = len(begin) if padded else 0
    found, _ = expand(f"x[{begin}:{end}:{step}]y")
    assert list(found) == [f"x{n:0{fill}d}y" for n in range(first, last + 1, step)]


@given(st.text(alphabet="[]:|a1Z0-. é", max_size=30))
def test_no_text_does_anything_but_expand_or_be_refused(text: str) -> None:
    try:
        names, _ = expand(text)
    except ValueError:
        return
    assert len(names) <= MAX_EXPANSION
