"""Serials: random, never twice, and written in one way."""

import ssl
from collections.abc import Container
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.pki import serial
from tests.pki.place import founded


@given(st.integers(1, (1 << 159) - 1))
def test_a_serial_is_read_as_it_was_written(number: int) -> None:
    text = serial.text_of(number)
    assert serial.number_of(text) == number
    assert serial.read(text.lower()) == text
    assert serial.read(":".join(text[n : n + 2] for n in range(0, len(text), 2))) == text


@pytest.mark.parametrize(
    "text", ["", "x", "web-1", "0x12", "12 34", "-1", "1" * 42, "\uff11\uff12"]
)
def test_what_is_no_serial_is_none(text: str) -> None:
    assert serial.read(text) is None


def test_a_serial_that_was_used_is_not_drawn() -> None:
    class FirstTwo(Container[str]):
        """Claims that the first two were used."""

        def __init__(self) -> None:
            self.asked: list[object] = []

        def __contains__(self, item: object) -> bool:
            self.asked.append(item)
            return len(self.asked) <= 2

    used = FirstTwo()
    number = serial.draw(used)
    assert serial.text_of(number) == used.asked[2]
    assert 64 <= number.bit_length() <= 159


def test_python_spells_a_serial_as_the_ledger_does(tmp_path: Path) -> None:
    place = founded(tmp_path / "pki")
    one = place.issue("web-1")
    context = ssl.create_default_context(cadata=one.certificate)
    assert context.cert_store_stats()["x509"] == 1
    told = ssl._ssl._test_decode_cert(str(place.path / "web-1.crt"))  # type: ignore[attr-defined]
    assert told["serialNumber"] == one.serial
