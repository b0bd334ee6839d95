"""Plain scalars mean to us what they mean to SOPS."""

import pytest

from controller.secrets.sops.plain import may_be_plain, resolve
from controller.secrets.sops.values import Scalar, Type


@pytest.mark.parametrize(
    ("plain", "kind", "text"),
    [
        ("12", Type.INT, "12"),
        ("+12", Type.INT, "12"),
        ("-0", Type.INT, "0"),
        ("0777", Type.INT, "511"),
        ("0o17", Type.INT, "15"),
        ("0x10", Type.INT, "16"),
        ("-0b101", Type.INT, "-5"),
        ("1_000", Type.INT, "1000"),
        ("9223372036854775807", Type.INT, "9223372036854775807"),
        ("1.50", Type.FLOAT, "1.5"),
        ("1e3", Type.FLOAT, "1000"),
        (".5", Type.FLOAT, "0.5"),
        ("08", Type.FLOAT, "8"),
        ("1e-7", Type.FLOAT, "0.0000001"),
        (".inf", Type.FLOAT, "+Inf"),
        ("-.INF", Type.FLOAT, "-Inf"),
        (".NaN", Type.FLOAT, "NaN"),
        ("TRUE", Type.BOOL, "True"),
        ("false", Type.BOOL, "False"),
        ("2001-12-14", Type.TIME, "2001-12-14T00:00:00Z"),
        ("2001-12-14t21:59:43.10-05:00", Type.TIME, "2001-12-14T21:59:43.1-05:00"),
        ("2001-12-14 21:59:43", Type.TIME, "2001-12-14T21:59:43Z"),
        ("yes", Type.STR, "yes"),
        ("off", Type.STR, "off"),
        ("1.2.3", Type.STR, "1.2.3"),
        ("12:30", Type.STR, "12:30"),
        ("-", Type.STR, "-"),
        ("0x", Type.STR, "0x"),
        ("1e999", Type.STR, "1e999"),
        ("9" * 399, Type.STR, "9" * 399),
        ("0x" + "f" * 300, Type.STR, "0x" + "f" * 300),
        ("1" * 500, Type.STR, "1" * 500),
    ],
)
def test_a_plain_scalar_has_the_type_and_text_that_sops_hashes(
    plain: str, kind: Type, text: str
) -> None:
    assert resolve(plain) == Scalar(type=kind, text=text)


@pytest.mark.parametrize("plain", ["", "~", "null", "Null", "NULL"])
def test_nothing_is_nothing(plain: str) -> None:
    assert resolve(plain) is None


@pytest.mark.parametrize("value", ["yes", "No", "n", "0o17", "1", "-", "~", "", " a", "a ", "é"])
def test_what_some_reader_could_take_for_something_else_is_quoted(value: str) -> None:
    assert not may_be_plain(value)
