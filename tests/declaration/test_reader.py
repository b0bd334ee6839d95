import pytest
import yaml
from hypothesis import given, strategies as st

from controller.declaration.marks import locate, place
from controller.declaration.reader import MOST_NODES, read


def codes(text: str | bytes) -> list[str]:
    document = read("f.yaml", text.encode() if isinstance(text, str) else text)
    return [f"{d.place.line}:{d.place.column} {d.code}" for d in document.diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["3:1 duplicate-key"]),
        ('a: 1\n"a": 2\n', ["2:1 duplicate-key"]),
        ("a: !!python/object:os.system x\n", ["1:4 tag"]),
        ("a: !!str 3\nb: ! 4\n", ["1:4 tag", "2:4 tag"]),
        ("a: !secret [1]\n", ["1:4 tag"]),
        ("x: &x {a: 1}\ny: {<<: *x}\n", ["2:5 merge-key"]),
        ("a: *nowhere\n", ["1:4 unknown-anchor"]),
        ("a: &a [*a]\n", ["1:8 recursive-alias"]),
        ("a: &x 1\nb: &x 2\n", ["2:4 duplicate-anchor"]),
        ("1: a\n", ["1:1 key-not-string"]),
        ("null: a\ntrue: b\n", ["1:1 key-not-string", "2:1 key-not-string"]),
        ("? [a]\n: b\n", ["1:3 key-not-string"]),
        ("a: 1\n---\nb: 2\n", ["2:1 several-documents"]),
        ("a: [1, 2\nb: 3\n", ["2:2 yaml-syntax"]),
        ("a: b: c\n", ["1:5 yaml-syntax"]),
        ("\ta: 1\n", ["1:1 yaml-syntax"]),
        ("%YAML 2.0\n---\na: 1\n", ["1:1 yaml-syntax"]),
        ("a: .inf\nb: 1e999\n", ["1:4 number-not-finite", "2:4 number-too-large"]),
        ('a: "x\\0y"\n', ["1:4 nul-character"]),
        (b"a: 1\nb: \xff\n", ["2:4 not-utf-8"]),
        (b"\xff\xfea\x00", ["1:1 not-utf-8"]),
        ("a: \x07\n", ["1:4 yaml-character"]),
        ("- " * 65 + "x\n", ["1:129 too-deep"]),
        ("x: &x 1\n" + "".join(f"k{n}: *x\n" for n in range(65)), ["66:6 too-many-aliases"]),
        (" " * (1 << 20) + "\n", ["1:1 file-too-large"]),
    ],
)
def test_what_is_refused_is_told_with_its_place(text: str | bytes, expected: list[str]) -> None:
    assert codes(text) == expected


def test_many_errors_are_told_at_once() -> None:
    assert codes("a: !x 1\na: 2\n3: .nan\n") == [
        "1:4 tag",
        "2:1 duplicate-key",
        "3:1 key-not-string",
        "3:4 number-not-finite",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n...\n", "\ufeff"])
def test_an_empty_file_is_nothing_and_no_error(text: str) -> None:
    document = read("f.yaml", text.encode())
    assert document.data is None
    assert document.diagnostics == ()


def test_a_hundred_thousand_brackets_end_at_once_instead_of_killing_the_process() -> None:
    assert codes("[" * 100_000) == ["1:65 too-deep"]


def test_the_laughs_are_counted_before_they_are_made() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(9))}]\n" for n in range(1, 7)
    )
    assert codes(text)[0].endswith("too-many-values")


def test_a_broad_file_is_left_at_its_bound() -> None:
    text = "[" + "a," * (MOST_NODES + 10) + "]"
    assert codes(text)[0].endswith("too-many-values")


def test_an_alias_stands_for_its_value_at_its_own_place() -> None:
    document = read("f.yaml", b"a: &x {k: 1}\nb: *x\n")
    assert document.data == {"a": {"k": 1}, "b": {"k": 1}}
    assert str(place("f", locate(document.data, document.marks, ("b",), value=True))) == "f:2:4"
    assert str(place("f", locate(document.data, document.marks, ("b", "k")))) == "f:1:8"


def test_keys_values_and_items_have_their_places() -> None:
    document = read("f.yaml", "é: {b: [x, yy]}\nc:\n  d: |\n    t\n".encode())

    def at(*path: str | int, value: bool = False) -> str:
        found = place("", locate(document.data, document.marks, path, value=value))
        return f"{found.line}:{found.column}"

    assert at("é") == "1:1"
    assert at("é", "b") == "1:5"
    assert at("é", "b", value=True) == "1:8"
    assert at("é", "b", 1) == "1:12"
    assert at("c", "d") == "3:3"
    assert at("c", "d", value=True) == "3:6"
    assert at("c", "missing") == "2:1"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["C"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdefghijk", min_size=2, max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_plain_data_is_read_as_it_was_written(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"', sort_keys=False)
    if "!!" in text:
        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    document = read("f.yaml", text.encode())
    assert document.diagnostics == ()
    assert document.data == value


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    document = read("f.yaml", raw)
    assert document.data is None or document.marks is not None


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`,#? \n\t0.1~<\\", max_size=80))
def test_no_yaml_like_text_makes_the_reader_raise(text: str) -> None:
    document = read("f.yaml", text.encode())
    lines = text.count("\n") + 2
    assert all(1 <= d.place.line <= lines and d.place.column >= 1 for d in document.diagnostics)
