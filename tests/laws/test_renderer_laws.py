"""Any text at all gives a value or a located failure, within bounds, and never ends the child."""

from hypothesis import HealthCheck, given, settings, strategies as st

from controller.declaration.renderer import Failure, Renderer, Study

WORDS = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{%-",
        "-%}",
        "vars",
        "params",
        "server",
        ".",
        "[",
        "]",
        "(",
        ")",
        "|",
        "'",
        '"',
        "for",
        "in",
        "endfor",
        "if",
        "endif",
        "set",
        "endset",
        "macro",
        "endmacro",
        "call",
        "endcall",
        "filter",
        "endfilter",
        "block",
        "endblock",
        "raw",
        "endraw",
        "include",
        "import",
        "from",
        "extends",
        "with",
        "endwith",
        "is",
        "not",
        "defined",
        "x",
        "y",
        "loop",
        "self",
        "caller",
        "range",
        "dict",
        "namespace",
        "join",
        "quote",
        "tojson",
        "map",
        "select",
        "attribute=",
        "'a'",
        "0",
        "1",
        "-1",
        "+",
        "-",
        "*",
        "~",
        "%",
        "//",
        "==",
        ",",
        ":",
        "__class__",
        "__init__",
        "__globals__",
        "mro",
        "format",
        "upper",
        "items",
        "None",
        "true",
        "\\n",
        "\\u0000",
    ]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=25).map(" ".join), st.text(max_size=60))
CONTEXT = {"vars": {"x": "1", "y": [1, {"a": None}]}, "params": {}, "server": {"name": "web-1"}}


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(st.lists(TEXTS, min_size=40, max_size=80))
def test_any_text_gives_a_value_or_a_located_failure(texts: list[str]) -> None:
    with Renderer() as renderer:
        for expressions in (False, True):
            for text, studied in zip(
                texts, renderer.study(texts, expressions=expressions), strict=True
            ):
                located(text, studied)
                assert isinstance(studied, Study | Failure)
        answers = renderer.render([(text, CONTEXT) for text in texts])
        for text, answer in zip(texts, answers, strict=True):
            located(text, answer)
        assert renderer._deaths == 0


def located(text: str, answer: object) -> None:
    if isinstance(answer, Failure):
        assert answer.message or answer.name is not None
        assert 1 <= answer.line <= len(text.splitlines()) + 1
