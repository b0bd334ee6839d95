import pytest
from hypothesis import given, strategies as st

from controller.declaration.scalars import ScalarError, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("22:22", "22:22"),
        ("2024-02-30", "2024-02-30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("010", 10),
        ("0o17", 15),
        ("0o18", "0o18"),
        ("-0o17", "-0o17"),
        ("0xfF", 255),
        ("+12", 12),
        ("-0", 0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        (".e3", ".e3"),
        ("-", "-"),
        (".", "."),
        ("", None),
        ("~", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("False", False),
        ("=", "="),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize("text", ["9223372036854775808", "9" * 5000, "0x" + "f" * 17, "1e999"])
def test_numbers_that_cannot_be_kept_are_refused(text: str) -> None:
    with pytest.raises(ScalarError) as caught:
        resolve(text)
    assert caught.value.code == "number-too-large"


@pytest.mark.parametrize("text", [".inf", "-.INF", "+.Inf", ".nan", ".NaN"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    with pytest.raises(ScalarError) as caught:
        resolve(text)
    assert caught.value.code == "number-not-finite"


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_every_integer_of_64_bits_is_read_back(number: int) -> None:
    assert resolve(str(number)) == number


@given(st.text(min_size=1))
def test_any_text_gives_a_value_or_a_scalar_error(text: str) -> None:
    try:
        value = resolve(text)
    except ScalarError:
        return
    assert value is None or isinstance(value, str | int | float)
