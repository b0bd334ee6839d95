"""The search finds exactly what a naive one finds."""

from hypothesis import given, strategies as st

from controller.secrets.search import Search

LETTERS = st.sampled_from([b"a", b"b"])
NEEDLES = st.sets(st.lists(LETTERS, min_size=3, max_size=6).map(b"".join), min_size=1, max_size=6)
DATA = st.lists(LETTERS, max_size=60).map(b"".join)


@given(needles=NEEDLES, data=DATA)
def test_every_beginning_is_found_with_the_longest_string_there(
    needles: set[bytes], data: bytes
) -> None:
    naive = [
        (at, at + max(len(needle) for needle in needles if data.startswith(needle, at)))
        for at in range(len(data))
        if any(data.startswith(needle, at) for needle in needles)
    ]
    assert list(Search(needles).spans(data)) == naive


@given(needles=NEEDLES, data=DATA)
def test_the_first_beginning_that_may_go_on_is_found(needles: set[bytes], data: bytes) -> None:
    naive = [
        at
        for at in range(len(data))
        if any(needle != data[at:] and needle.startswith(data[at:]) for needle in needles)
    ]
    assert Search(needles).unfinished(data) == min(naive, default=len(data))


def test_many_strings_are_found_as_well_as_few() -> None:
    needles = {b"needle-%03d-%d" % (n, n * n) for n in range(300)}
    data = b"hay ".join(sorted(needles))
    found = {data[start:end] for start, end in Search(needles).spans(data)}
    assert found == needles


def test_nothing_is_found_without_strings() -> None:
    assert list(Search().spans(b"data")) == []
    assert Search().unfinished(b"data") == 4
    assert list(Search([b"longer than data"]).spans(b"data")) == []
