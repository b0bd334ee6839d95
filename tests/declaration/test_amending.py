"""Live text goes back into its template: plain lines are replaced, expressions stay, and nothing in it is ever evaluated."""

import pytest
from hypothesis import given, strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from controller.declaration.amending import amend, quoted
from controller.errors import RefusedError

SHOP = "# shop\nworkers = {{ workers }}\nport = 80\n{% for one in names %}\nname = {{ one }}\nopen = yes\n{% endfor %}\nend\n"
VALUES = {"workers": 4, "names": ["a", "b"]}


def render(template: str) -> str:
    """Render as the renderer does: lines keep their ends, undefined names are errors."""
    if "{{" not in template and "{%" not in template:
        return template
    made = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    return made.from_string(template).render(VALUES)


def amended(template: str, live: str) -> str:
    return amend(template, render(template), live, file="t.j2")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("port = 80", "port = 8080"),
        ("# shop", "# the shop\n# of ours"),
        ("port = 80\n", ""),
        ("end\n", "end\nmore\n"),
        ("end\n", "end"),
        ("# shop", "first\n# shop"),
        ("workers = 4\n", "workers = 4\nhosts = 2\n"),
    ],
)
def test_a_changed_plain_line_is_put_back_and_expressions_stay(old: str, new: str) -> None:
    live = render(SHOP).replace(old, new)
    made = amended(SHOP, live)
    assert render(made) == live
    assert "{{ workers }}" in made
    assert "{% for one in names %}" in made


def test_a_line_that_comes_from_an_expression_is_refused_with_its_place() -> None:
    live = render(SHOP).replace("workers = 4", "workers = 5")
    with pytest.raises(RefusedError, match=r"t\.j2:2: .* expression \{\{ workers \}\}") as raised:
        amended(SHOP, live)
    assert raised.value.hint == "change the value it comes from, or edit t.j2:2 by hand"


def test_the_place_counts_from_where_the_text_begins() -> None:
    with pytest.raises(RefusedError, match=r"all\.yaml:41"):
        amend("a\n{{ workers }}\n", "a\n4\n", "a\n5\n", file="all.yaml", first=40)


def test_the_same_change_of_every_turn_of_a_loop_is_one_change() -> None:
    template = "{% for one in names -%}\nopen = yes\n{% endfor %}end\n"
    live = render(template).replace("yes", "no")
    made = amended(template, live)
    assert render(made) == live


def test_a_loop_that_was_changed_in_one_turn_only_never_becomes_another_text() -> None:
    """Either it is refused, or whoever renders it again sees that it does not fit."""
    before = render(SHOP)
    live = before.replace("open = yes", "open = no", 1)
    try:
        made = amended(SHOP, live)
    except RefusedError:
        return
    assert render(made) != live


@pytest.mark.parametrize("evil", ["{{ 7 * 7 }}", "{% raw %}", "{# no #}", "{{{", "{{%", "{ {% x"])
@pytest.mark.parametrize("template", [SHOP, "port = 80\nplain\n"])
def test_what_lies_on_a_server_is_never_evaluated(template: str, evil: str) -> None:
    live = render(template).replace("port = 80", evil)
    assert render(amended(template, live)) == live


@given(
    lines=st.lists(
        st.sampled_from(["a", "b", "", "{{ workers }}", "x {{ workers }} y"]), max_size=7
    ),
    changed=st.lists(st.sampled_from(["a", "b", "4", "", "{{", "c{%", "x 4 y"]), max_size=7),
)
def test_a_change_is_put_back_exactly_or_refused(lines: list[str], changed: list[str]) -> None:
    template, live = "\n".join(lines), "\n".join(changed)
    try:
        made = amended(template, live)
    except RefusedError:
        return
    assert render(made) == live


@given(st.text(alphabet="{}%#' \n'a"))
def test_quoted_text_renders_to_itself(text: str) -> None:
    assert render(quoted(text)) == text or "{" not in text


def test_lines_that_would_take_for_ever_to_compare_are_one_change() -> None:
    live = "a\n" * 30_000 + "c\n" * 30_000
    rendered = "b\na\nc\n" * 10_000
    assert amend("plain\n", rendered, live, file="t") == live
    with pytest.raises(RefusedError):
        amend("{{ x }}\n", rendered, live, file="t")
