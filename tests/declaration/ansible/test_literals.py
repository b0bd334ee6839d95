"""Values of INI inventories are Python literals, or the text as it stands."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from controller.declaration.ansible.literals import value

LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("5", 5),
        ("-5", -5),
        ("0x10", 16),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("010", "010"),
        ("True", True),
        ("true", "true"),
        ("None", None),
        ("yes", "yes"),
        ("10.0.0.1", "10.0.0.1"),
        ("'a'", "a"),
        ('"a" "b"', "ab"),
        ("(1, 2)", [1, 2]),
        ("{1: 'a', None: 2}", {"1": "a", "null": 2}),
        ("set()", []),
        ("{2, 1}", [1, 2]),
        ("[1, x]", "[1, x]"),
        ("a[0]", "a[0]"),
        ("__import__('os')", "__import__('os')"),
        ("1+2j", "(1+2j)"),
        ("...", "..."),
        ("1 # one", 1),
        ("{{ x }}", "{{ x }}"),
        ("", ""),
        ("(" * 500, "(" * 500),
        ("-" * 60_000 + "1", "-" * 60_000 + "1"),
        ("9" * 5000, "9" * 5000),
        ("'\\d'", "\\d"),
    ],
)
def test_a_value_is_read_as_ansible_reads_it(text: str, read: object) -> None:
    found = value(text)
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize("text", ["{[]: 1}", "b'x'"])
def test_a_literal_that_cannot_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        value(text)


@given(LITERALS)
def test_what_python_writes_is_read_back(written: object) -> None:
    assert repr(value(repr(written))) == repr(written)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_become_a_value(text: str) -> None:
    with suppress(ValueError):
        value(text)
