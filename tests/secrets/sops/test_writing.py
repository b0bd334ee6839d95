"""Writing documents: the layout of SOPS, and nothing that another reader would misread."""

import json

import pytest
import yaml

from controller.secrets.sops.values import Document, Scalar, Type, number, text, truth
from controller.secrets.sops.writing import write_document

DOCUMENT: Document = {
    "z": {"one": text("plain text"), "two": text("yes")},
    "a": [text("x: y"), None, truth(True), number(1e30), {}],
    "many": text("line 1\nline 2\n"),
}


def test_yaml_keeps_the_order_and_quotes_only_what_needs_it() -> None:
    assert write_document(DOCUMENT, as_json=False).decode() == (
        'z:\n    one: plain text\n    two: "yes"\n'
        'a:\n- "x: y"\n- null\n- true\n- 1e+30\n- {}\n'
        "many: |\n    line 1\n    line 2\n"
    )


def test_json_keeps_the_order_and_numbers() -> None:
    written = write_document(DOCUMENT, as_json=True).decode()
    assert list(json.loads(written)) == ["z", "a", "many"]
    assert float(json.loads(written)["a"][3]) == 1e30
    assert written.startswith('{\n\t"z": {\n\t\t"one"')


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "0o17",
        "1_000",
        "~",
        "2001-12-14",
        "a\tb\n",
        "é",
        "",
        " x",
        "é\n  y\n",
        "\x85\n",
        "a\r\nb\n",
    ],
)
def test_a_text_is_the_same_text_for_the_reader_of_another_version(value: str) -> None:
    assert yaml.safe_load(write_document({"a": text(value)}, as_json=False)) == {"a": value}


def test_what_is_infinite_has_its_own_word() -> None:
    document: Document = {"a": number(float("inf")), "b": Scalar(type=Type.FLOAT, text="NaN")}
    assert write_document(document, as_json=False) == b"a: .inf\nb: .nan\n"
    assert json.loads(write_document(document, as_json=True)) == {"a": "+Inf", "b": "NaN"}
