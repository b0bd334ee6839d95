"""A value is written anew at its place: read again it is exactly that, and the rest of the file is as it was."""

import pytest
from hypothesis import given, strategies as st

from controller.declaration.reader import read
from controller.declaration.rewriting import added, in_quotes, replaced, rewrite
from controller.errors import RefusedError
from controller.model.diagnostic import Place

BLOCK = """\
# before
tasks:
  shop:   # a comment
    files:
      - path: /etc/a
        content: |
          one
          two

        mode: "0600"   # ours
      - path: /etc/b
        content: 'short'
# after
"""
FLOW = 'tasks: {shop: {files: [{path: /etc/a, content: "x", backup: true}]}}\n'


def at(text: str, word: str) -> Place:
    offset = text.index(word)
    line = text.count("\n", 0, offset)
    return Place(file="f", line=line + 1, column=offset - text.rfind("\n", 0, offset))


def files(text: str) -> list[dict[str, object]]:
    document = read("f", text.encode())
    assert document.diagnostics == ()
    found = document.data["tasks"]["shop"]["files"]  # type: ignore[index]
    assert isinstance(found, list)
    return found


VALUES = [
    "three\n",
    "one\ntwo\nthree\n",
    "no end",
    "two\nno end",
    "\nstarts empty\n",
    "  starts with spaces\n",
    "\n   spaces\nx\n",
    "ends often\n\n\n",
    "",
    "\n",
    "   ",
    "tab\there\n",
    "carriage\r\nreturns\r\n",
    "a\x07bell\n",
    "\x85\u2028\ufeff\n",
    "# no comment\n- no list\n",
    "---\n...\n",
    "trailing  \n",
    "\U0001f600 emoji\n",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("text", [BLOCK, BLOCK.replace("|", "|+"), BLOCK.replace("|", ">2-"), FLOW])
def test_a_value_is_read_again_as_it_was_written(text: str, value: str) -> None:
    key = at(text, "content")
    made = rewrite(text, [replaced(text, key, value)])
    wanted = files(text)
    wanted[0]["content"] = value
    assert files(made) == wanted


@given(st.text(alphabet=" ab\n\t#:-|'\"\\\x85{}", max_size=30))
def test_whatever_a_value_holds_it_is_read_again(value: str) -> None:
    for text in (BLOCK, FLOW):
        made = rewrite(text, [replaced(text, at(text, "content"), value)])
        assert files(made)[0]["content"] == value


def test_nothing_else_of_the_file_is_touched() -> None:
    made = rewrite(BLOCK, [replaced(BLOCK, at(BLOCK, "content"), "other\n")])
    assert made == BLOCK.replace("          one\n          two\n", "          other\n")


def test_a_short_value_stays_short() -> None:
    key = at(BLOCK, "mode")
    assert rewrite(BLOCK, [replaced(BLOCK, key, "0640")]) == BLOCK.replace("0600", "0640")


@pytest.mark.parametrize("text", [BLOCK, FLOW])
def test_a_key_is_added_beside_another(text: str) -> None:
    key = at(text, "path")
    made = rewrite(text, [added(text, key, "owner", "shop"), added(text, key, "group", "web")])
    assert files(made)[0] == {**files(text)[0], "owner": "shop", "group": "web"}


def test_several_rewrites_do_not_move_each_other() -> None:
    made = rewrite(
        BLOCK,
        [
            replaced(BLOCK, at(BLOCK, "mode"), "0400"),
            replaced(BLOCK, at(BLOCK, "content"), "1\n2\n3\n4\n"),
            added(BLOCK, at(BLOCK, "path: /etc/b"), "owner", "root"),
        ],
    )
    assert files(made) == [
        {"path": "/etc/a", "content": "1\n2\n3\n4\n", "mode": "0400"},
        {"path": "/etc/b", "content": "short", "owner": "root"},
    ]


@pytest.mark.parametrize("value", ["&shared 'x'", "*shared"])
def test_what_others_refer_to_is_left_alone(value: str) -> None:
    text = f"x: &shared 'x'\ntasks: {{shop: {{files: [{{path: /a, content: {value} }}]}}}}\n"
    with pytest.raises(RefusedError, match="anchor"):
        replaced(text, at(text, "content"), "y")


def test_quotes_hold_everything_that_yaml_escapes() -> None:
    assert in_quotes('a"\\\n\x7f\u2028') == '"a\\"\\\\\\n\\u007f\\u2028"'
