"""One encrypted value: bound to its names and key, of one form."""

import secrets

import pytest
from hypothesis import given, strategies as st

from controller.secrets.sops.leaf import bound_to, close_leaf, is_closed, open_leaf
from controller.secrets.sops.values import Scalar, Type, text
from controller.secrets.trouble import ReadingError

KEY = b"k" * 32


@given(
    st.text(max_size=40).map(text), st.lists(st.text(max_size=5) | st.integers(0, 9), max_size=3)
)
def test_a_value_comes_back_under_its_own_names(value: Scalar, path: list[str | int]) -> None:
    bound = bound_to(tuple(path))
    closed = close_leaf(value, KEY, bound)
    assert is_closed(closed)
    assert open_leaf(closed, KEY, bound, called="it") == value
    for key, where in ((KEY, bound + b"x:"), (b"x" * 32, bound)):
        with pytest.raises(ReadingError, match="it was changed or moved"):
            open_leaf(closed, key, where, called="it")


def test_places_in_lists_do_not_bind() -> None:
    assert bound_to(("a", 0, "b")) == bound_to(("a", 7, "b")) == b"a:b:"


def test_equal_values_do_not_look_equal() -> None:
    assert close_leaf(text("x"), KEY, b"") != close_leaf(text("x"), KEY, b"")


@pytest.mark.parametrize(
    ("closed", "reason"),
    [
        ("hunter2", "is not encrypted"),
        ("ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]", "is damaged"),
        ("ENC[AES256_GCM,data:Y,iv:YQ==,tag:YQ==,type:str]", "is damaged"),
        ("ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str] ", "is not encrypted"),
        ("ENC[AES256_CBC,data:YQ==,iv:YQ==,tag:YQ==,type:str]", "is not encrypted"),
    ],
)
def test_another_form_is_none(closed: str, reason: str) -> None:
    with pytest.raises(ReadingError, match=f"it {reason}"):
        open_leaf(closed, KEY, b"", called="it")


def test_what_is_encrypted_has_to_be_of_its_type() -> None:
    for kind, shown in ((Type.INT, "1.5"), (Type.FLOAT, "one"), (Type.BOOL, "maybe")):
        closed = close_leaf(Scalar(type=kind, text=shown), KEY, b"")
        with pytest.raises(ReadingError, match="a value of the type"):
            open_leaf(closed, KEY, b"", called="it")


def test_a_value_shows_in_no_message_and_no_repr() -> None:
    value = text(secrets.token_hex())
    assert value.text not in repr(value)
