"""Closing documents, and putting one value into a closed one: laws for all documents."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from controller.secrets import age
from controller.secrets.sops.closing import Change, close_document, put
from controller.secrets.sops.notation import read_document
from controller.secrets.sops.opening import open_file, pick
from controller.secrets.sops.values import Document, Node, Scalar, Type, number, text, truth
from controller.secrets.sops.writing import write_document
from controller.secrets.trouble import ReadingError
from tests.secrets.closed import KEYS, RECIPIENT, known

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
SCALARS: st.SearchStrategy[Node] = st.one_of(
    st.none(),
    st.booleans().map(truth),
    st.integers(-(2**63), 2**63 - 1).map(lambda whole: Scalar(type=Type.INT, text=str(whole))),
    st.floats(allow_nan=False, allow_infinity=False).map(number),
    st.text(max_size=30).map(text),
    st.sampled_from(["yes", "0o17", "1e3", "null", "~", "- a", "a: b", "#x", "x\n y\n"]).map(text),
)
NODES: st.SearchStrategy[Node] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS: st.SearchStrategy[Document] = st.dictionaries(
    NAMES.filter(lambda name: name != "sops"), NODES, min_size=1, max_size=4
)


def numbers_as_json(node: Node) -> Node:
    """JSON knows one kind of number."""
    match node:
        case dict():
            return {name: numbers_as_json(inner) for name, inner in node.items()}
        case list():
            return [numbers_as_json(inner) for inner in node]
        case Scalar(type=Type.INT | Type.FLOAT):
            return number(float(node.text))
        case _:
            return node


def numbers_as_yaml(node: Node) -> Node:
    """A whole number is written without a fraction, and so read as an integer, where one can be."""
    match node:
        case dict():
            return {name: numbers_as_yaml(inner) for name, inner in node.items()}
        case list():
            return [numbers_as_yaml(inner) for inner in node]
        case Scalar(type=Type.FLOAT) if "." not in node.text and -(2**63) <= int(node.text) < 2**63:
            return Scalar(type=Type.INT, text=str(int(node.text)))
        case _:
            return node


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS)
def test_what_is_written_is_read_again_in_order(document: Document) -> None:
    again = read_document(write_document(document, as_json=False), as_json=False)
    assert again == numbers_as_yaml(document)
    assert list(again) == list(document)
    as_json = read_document(write_document(document, as_json=True), as_json=True)
    assert as_json == numbers_as_json(document)


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS, st.sampled_from(["it.yaml", "it.json"]))
def test_what_is_closed_is_opened_again_and_nothing_of_it_shows(
    document: Document, name: str
) -> None:
    as_json = name.endswith("json")
    clear = write_document({**document, "canary": text("canary-4711")}, as_json=as_json)
    closed = close_document(name, clear, [RECIPIENT], NOW)
    assert b"canary-4711" not in closed
    opened = open_file(name, closed, KEYS).document
    assert opened == read_document(clear, as_json=as_json)
    assert list(opened) == [*document, "canary"] or "canary" in document


def test_every_recipient_opens_it_and_no_other() -> None:
    one, two, other = age.new_key(), age.new_key(), age.new_key()
    closed = close_document("it.yaml", b"a: b\n", [one.recipient, two.recipient], NOW)
    for key in (one, two):
        assert pick(open_file("it.yaml", closed, [other, key]), "a") == b"b"
    with pytest.raises(ReadingError, match="not closed for the age key here"):
        open_file("it.yaml", closed, [other])


def test_names_that_end_in_unencrypted_stay_readable_and_guarded() -> None:
    closed = close_document("it.yaml", b"a: b\nc_unencrypted: {d: e}\n", [RECIPIENT], NOW)
    assert b"c_unencrypted:\n    d: e\n" in closed
    with pytest.raises(ReadingError, match="MAC is wrong"):
        open_file("it.yaml", closed.replace(b"d: e", b"d: f"), KEYS)


def test_a_closed_file_is_not_closed_twice() -> None:
    with pytest.raises(ReadingError, match="SOPS already"):
        close_document("types.yaml", known("types.yaml"), [RECIPIENT], NOW)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("types.yaml", "db.password", "fresh"),
        ("types.yaml", "db.list.2.x", "fresh\nlines\n"),
        ("types.yaml", "db.new", "5"),
        ("types.yaml", "top", "fresh"),
        ("types.json", "f.2.g", "fresh"),
        ("types.json", "e", "fresh"),
        ("regex.yaml", "data.tls.crt", "fresh"),
        ("suffix.yaml", "shop.other_secret", "fresh"),
    ],
)
def test_one_value_is_put_and_every_other_byte_of_the_values_stays(
    name: str, key: str, value: str
) -> None:
    before = open_file(name, known(name), KEYS)
    after = open_file(name, put(name, known(name), KEYS, Change(key=key, value=value), NOW), KEYS)
    assert pick(after, key) == value.encode()
    gone = set(_leaves(before.file.document)) - set(_leaves(after.file.document))
    assert len(gone) <= 1
    assert [*after.file.document][: len(before.file.document)] == [*before.file.document]
    assert after.file.metadata["age"] == before.file.metadata["age"]
    assert after.file.modified == "2026-03-01T12:00:00Z"


def _leaves(node: Node) -> list[str]:
    match node:
        case dict():
            return [leaf for inner in node.values() for leaf in _leaves(inner)]
        case list():
            return [leaf for inner in node for leaf in _leaves(inner)]
        case Scalar():
            return [node.text]
        case None:
            return []


@pytest.mark.parametrize(
    ("name", "key", "reason"),
    [
        ("types.yaml", "clear_unencrypted.a", "would lie in it in clear"),
        ("suffix.yaml", "shop.name", "would lie in it in clear"),
        ("regex.yaml", "metadata.name", "would lie in it in clear"),
        ("regex.yaml", "data.fresh", "would lie in it in clear"),
        ("types.yaml", "db", "several values"),
        ("types.yaml", "no.such", "is not in it"),
        ("types.yaml", "db.password.x", "is not in it"),
        ("types.yaml", "sops", "metadata"),
        ("types.yaml", "", "is not in it"),
    ],
)
def test_a_value_that_would_not_be_encrypted_is_not_put(name: str, key: str, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        put(name, known(name), KEYS, Change(key=key, value="x"), NOW)


def test_nothing_is_put_into_a_file_that_somebody_changed() -> None:
    changed = known("types.yaml").replace(b"    a: text\n", b"    a: other\n")
    with pytest.raises(ReadingError, match="MAC is wrong"):
        put("types.yaml", changed, KEYS, Change(key="db.password", value="x"), NOW)
