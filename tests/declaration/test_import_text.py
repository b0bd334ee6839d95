"""Written declarations are read back as they were, by our own reader and by readers of YAML 1.1."""

import yaml
from hypothesis import given, strategies as st

from controller.declaration.import_text import comment, entry, flow, writable
from controller.declaration.reader import read

TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12
) | st.sampled_from(
    ["yes", "010", "1e3", "~", "a: b", "- x", "x\ny\n", " x\ny", "x\n\n", "<<", "="]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_is_read_back_as_it_was(value: object) -> None:
    text = "\n".join(entry("k:", value, 0)) + "\n"
    document = read("f.yaml", text.encode())
    assert repr(document.data) == repr({"k": value})


@given(TEXT)
def test_text_is_text_to_a_reader_of_yaml_1_1_too(value: str) -> None:
    text = "\n".join(entry("k:", value, 0)) + "\n"
    assert yaml.safe_load(text) == {"k": value}
    assert yaml.safe_load(flow({"k": [value]})) == {"k": [value]}


@given(st.text(max_size=30))
def test_a_comment_is_one_line_whatever_it_holds(text: str) -> None:
    assert yaml.safe_load(f"{comment(text, 2)}\nk: 1\n") == {"k": 1}


def test_what_yaml_1_2_cannot_hold_is_not_writable() -> None:
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    for value in (float("inf"), 2**63, "\ud800", "a\0", {1: 2}, {"a" * 2000: 1}, object(), deep):
        assert not writable(value)
