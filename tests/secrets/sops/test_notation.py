"""Reading documents: whatever bytes come, an answer or a reason, and never more than a bound."""

import pytest
from hypothesis import given, strategies as st

from controller.secrets.sops.notation import (
    LARGEST_FILE,
    MOST_NODES,
    looks_like_json,
    read_document,
)
from controller.secrets.sops.values import text
from controller.secrets.trouble import ReadingError


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('{"a": "\\ud800"}', "half a character"),
        ('{"\\udc80": 1}', "half a character"),
        ('{"a": 1, "a": 2}', "is there twice"),
        ("[" * 500_000, "levels"),
        ('{"a":' * 200_000, "levels"),
        ('{"a":' * 40 + "1" + "}" * 40, "levels"),
        ("[1]", "no mapping"),
        ('{"a": ', "no JSON in line 1"),
        ("", "no JSON"),
    ],
)
def test_json_that_is_no_document_says_why(source: str, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        read_document(source.encode(), as_json=True)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"a: b\nb: *a\n", "alias or a tag in line 2"),
        (b"1: b\n", "key in line 1 is no text"),
        (b"<<: {a: b}\n", "key in line 1 is no text"),
        (b"? [a]\n: b\n", "is no text"),
        (b"a: !!str b\n", "alias or a tag"),
        (b"a: b\n---\nc: d\n", "several documents"),
        (b"\xff\xfe", "no UTF-8"),
        (b"a: \x01\n", "no YAML"),
        (b"a: [\n", "no YAML in line"),
        (b"a:\n" + b"- x\n" * (MOST_NODES + 1), "values"),
        (b"[" * LARGEST_FILE, "over 32 levels"),
        (b"{" * LARGEST_FILE, "over 32 levels"),
        (b"? " * (LARGEST_FILE // 2), "over 32 levels"),
        (b"- " * (LARGEST_FILE // 2), "over 32 levels"),
        (b"x" * (LARGEST_FILE + 1), "over 1024 KiB"),
    ],
)
def test_yaml_that_is_no_document_says_why(source: bytes, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        read_document(source, as_json=False)


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda one: one.encode("utf-8", "replace"))
)
def test_any_bytes_give_a_document_or_a_reason(data: bytes) -> None:
    for as_json in (True, False):
        try:
            document = read_document(data, as_json=as_json)
        except ReadingError:
            continue
        assert isinstance(document, dict)


def test_the_name_tells_the_notation_and_else_the_first_letter() -> None:
    assert looks_like_json("a.json", b"a: b")
    assert not looks_like_json("a.yaml", b"{a: b}")
    assert looks_like_json("a.enc", b' {"data": 1}')
    assert not looks_like_json("a.enc", b"data: 1")


def test_a_mark_of_the_byte_order_is_no_part_of_a_name() -> None:
    assert read_document("\ufeffa: b\n".encode(), as_json=False) == {"a": text("b")}
