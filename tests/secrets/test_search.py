"""The search finds exactly what a naive one finds."""

from hypothesis import given, strategies as st

from controller.secrets.search import Search

LETTERS = st.sampled_from([b"a", b"b"])
NEEDLES = st.sets(st.lists(LETTERS, min_size=2, max_size=6).map(b"".join), min_size=1, max_size=6)
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


def test_nothing_is_found_without_strings() -> None:
    assert list(Search().spans(b"data")) == []
    assert list(Search([b"longer than data"]).spans(b"data")) == []
