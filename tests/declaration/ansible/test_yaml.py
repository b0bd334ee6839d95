"""YAML as Ansible reads it, within bounds."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from controller.declaration.ansible import yaml
from controller.declaration.ansible.findings import Findings, Refusal
from controller.declaration.ansible.scalars import Unsafe
from controller.model.diagnostic import Place
from controller.model.inventory import Vaulted


def load(text: str) -> object:
    return yaml.plain(yaml.read(text, "f.yml", Findings()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("No", False),
        ("y", "y"),
        ("017", 15),
        ("0o17", "0o17"),
        ("12:30:45", 45045),
        ("1e3", "1e3"),
        ("1.5e+3", 1500.0),
        ("1_000", 1000),
        ("0b11", 3),
        ("~", None),
        ("2017-03-07T10:20:49Z", "2017-03-07T10:20:49+00:00"),
        ("2002-1-1", "2002-1-1"),
        ("2020-01-02", "2020-01-02"),
        ('"yes"', "yes"),
        ("!!str 5", "5"),
        ("!!set {a, b}", ["a", "b"]),
        ("!!omap [a: 1, b: 2]", {"a": 1, "b": 2}),
        ("!!binary aGk=", "hi"),
        ("{1: a, true: b, ~: c}", {"1": "b", "null": "c"}),
        ("'{{ x }}'", "{{ x }}"),
        ("", None),
    ],
)
def test_scalars_are_those_of_yaml_1_1(text: str, value: object) -> None:
    found = load(text)
    assert (found, type(found)) == (value, type(value))


def test_merge_keys_give_what_is_not_said_and_the_first_of_a_list_wins() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: {x: 0, <<: *a}\n"
    found = load(text)
    assert isinstance(found, dict)
    assert found["c"] == {"x": 1, "y": 1, "z": 3}
    assert found["d"] == {"x": 0, "y": 1}


def test_the_last_of_equal_keys_counts_and_the_earlier_one_is_warned_about() -> None:
    findings = Findings()
    found = yaml.read("a: 1\nb: 2\na: 3\n", "f.yml", findings)
    assert yaml.plain(found) == {"a": 3, "b": 2}
    (warning,) = findings.items
    assert warning.place == Place(file="f.yml", line=3)
    assert "line 1" in warning.message


def test_every_key_knows_its_place() -> None:
    found = yaml.read("a:\n  b: 1\n", "f.yml", Findings())
    assert isinstance(found, yaml.Map)
    inner = found["a"]
    assert isinstance(inner, yaml.Map)
    assert inner.places == {"b": Place(file="f.yml", line=2, column=3)}


def test_vaulted_values_stay_closed_and_equal_ones_have_one_name() -> None:
    text = "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6161\nb: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    6161\n"
    found = load(text)
    assert isinstance(found, dict)
    assert isinstance(found["a"], Vaulted)
    assert found["a"] == found["b"]
    assert found["a"].ciphertext == "$ANSIBLE_VAULT;1.1;AES256\n6161\n"


def test_unsafe_text_is_text_however_deep() -> None:
    found = load("!unsafe {a: ['{{ x }}', 1]}")
    assert found == {"a": ["{{ x }}", 1]}
    assert isinstance(found, dict)
    assert isinstance(found["a"][0], Unsafe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system [id]\n", "tagged"),
        ("a: !!python/name:os.system\n", "tagged"),
        ("\na: !mine x\n", "tagged"),
        ("a: b: c\n", "cannot read YAML"),
        ("a: *b\n", "cannot find the anchor"),
        ("a: &a [*a]\n", "cannot find the anchor"),
        ("a: &a 1\nb: &a 2\n", "twice"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("{<<: 1}\n", "cannot merge"),
        ("{[a]: 1}\n", "as a key"),
        ("a: 2020-99-99\n", "cannot read the value"),
        ("a: !!int x\n", "cannot read the value"),
        ("a: !!bool x\n", "cannot read the value"),
        ("a: =\n", "tagged"),
        ("a: \x00\n", "cannot read YAML"),
        ("[" * 100_000, "levels"),
        ("{a: " * 100_000, "levels"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        yaml.read(text, "f.yml", Findings())
    assert caught.value.diagnostic.place.file == "f.yml"


def test_aliases_are_not_written_out_without_end() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(Refusal, match="aliases written out"):
        yaml.read("\n".join(lines), "f.yml", Findings())


@given(st.text(alphabet="ab1:-[]{}&*!|>%#'\"\n <~?,.=", max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    with suppress(Refusal):
        yaml.read(text, "f.yml", Findings())
