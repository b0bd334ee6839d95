"""Templates are rendered in bounds: every text gives a value or a failure with its line."""

from collections.abc import Iterator

import pytest

from controller.declaration.renderer import Failure, Renderer, Study
from controller.errors import DeclarationError

CONTEXT = {
    "vars": {"a": "it's", "items": 3, "list": [1, 2], "yes": True},
    "server": {"name": "web-1"},
}


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def rendered(renderer: Renderer, text: str) -> str | Failure:
    (answer,) = renderer.render([(text, CONTEXT)])
    return answer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("echo {{ vars.a | quote }}\n", "echo 'it'\"'\"'s'\n"),
        ("{{ vars.items }}", "3"),
        ("{% raw %}{{ not ours }}{% endraw %}", "{{ not ours }}"),
        ("{% for n in vars.list %}{{ n }};{% endfor %}", "1;2;"),
        ("{{ vars.missing | default('d') }}", "d"),
        ("{{ vars.list | join(',') }}{{ vars | length }}", "1,24"),
        ("{{ vars.list | tojson }}", "[1, 2]"),
        ("{{ 'ä' }}{{ vars.a | urlencode }}", "äit%27s"),
        ("{% if vars.yes %}\nx\n{% endif %}\ny\n", "x\ny\n"),
    ],
)
def test_templates_render(renderer: Renderer, text: str, value: str) -> None:
    assert rendered(renderer, text) == value


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ vars.list.append(3) }}",
        "{{ ''|attr('__class__') }}",
        "{{ vars|map(attribute='__class__')|list }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ lipsum }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{{ vars.list|random }}",
    ],
)
def test_nothing_leads_out_of_the_sandbox(renderer: Renderer, text: str) -> None:
    assert isinstance(rendered(renderer, text), Failure)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 10**9 }}",
        "{{ '{:300000000}'.format(1) }}",
        "{% for i in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ 1 }}" + "x" * (1 << 20),
        "{{ [1] * 10**9 }}",
        "{{ '\\ud800' }}",
        "{{ '\\0' }}",
    ],
)
def test_what_has_no_bounds_fails_and_the_rest_is_rendered(renderer: Renderer, text: str) -> None:
    answers = renderer.render([("a{{ 1 }}", {}), (text, CONTEXT), ("b{{ 2 }}", {})])
    assert answers[0] == "a1"
    assert isinstance(answers[1], Failure)
    assert answers[2] == "b2"


@pytest.mark.slow
def test_a_template_that_never_ends_is_found_and_all_others_are_rendered(
    renderer: Renderer,
) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    items: list[tuple[str, dict[str, object]]] = [(f"{n}{{{{ 1 }}}}", {}) for n in range(40)]
    answers = renderer.render([*items[:20], (endless, {}), *items[20:], (endless, {"a": 1})])
    assert answers[20] == answers[-1] == Failure("limits", "takes more than 2 s or 256 MB")
    assert [a for a in answers if not isinstance(a, Failure)] == [f"{n}1" for n in range(40)]


def test_a_batch_whose_answers_are_large_is_asked_for_in_parts(renderer: Renderer) -> None:
    text = "{% for i in range(9000) %}{{ 'a' * 100 }}{% endfor %}"
    answers = renderer.render([(text, {"n": n}) for n in range(20)])
    assert [len(a) for a in answers if isinstance(a, str)] == [900_000] * 20


def test_failures_tell_line_and_name(renderer: Renderer) -> None:
    assert rendered(renderer, "a\nb {{ vars.nope }}") == Failure("undefined", "", 2, "nope")
    assert rendered(renderer, "a\n\n{{ vars.a.b.c }}") == Failure("undefined", "", 3, "b")
    syntax = rendered(renderer, "a\n{{ vars.a")
    assert isinstance(syntax, Failure)
    assert (syntax.kind, syntax.line) == ("syntax", 2)


def test_a_study_names_the_values_a_text_can_reach(renderer: Renderer) -> None:
    text = "{{ vars.a.b }}\n{{ vars['c'] }}{{ vars[server.name] }}{% for vars2 in params.l %}{{ vars2.x }}{% endfor %}"
    (study,) = renderer.study([text])
    assert study == Study(
        {
            ("vars", "a", "b"): 1,
            ("vars", "c"): 2,
            ("vars",): 2,
            ("server", "name"): 2,
            ("params", "l"): 2,
        }
    )


def test_a_study_finds_unknown_filters_and_loading(renderer: Renderer) -> None:
    for answer in renderer.study(["{{ 1|nope }}", "{% include 'x' %}"]):
        assert isinstance(answer, Failure)
        assert answer.kind == "syntax"
    (expression,) = renderer.study(["1 1"], expressions=True)
    assert isinstance(expression, Failure)


def test_a_condition_gives_true_or_false_and_nothing_else(renderer: Renderer) -> None:
    steps = {"steps": {"a": {"state": "failed"}}}
    assert renderer.evaluate("steps.a.state == 'failed'", steps) is True
    assert renderer.evaluate("steps.a.state != 'failed'", steps) is False
    for wrong in ("steps.a.state", "steps.b.state == 'x'", "nope", "1/0"):
        with pytest.raises(DeclarationError, match="cannot evaluate when"):
            renderer.evaluate(wrong, steps)


def test_the_child_ends_with_the_renderer() -> None:
    with Renderer() as made:
        made.render([("{{ 1 }}", {})])
        child = made._child
        assert child is not None
        process = child._process
        assert process.poll() is None
    assert process.returncode is not None
