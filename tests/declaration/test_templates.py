"""What is wrong with a text is said with its place before anything is rendered."""

from collections.abc import Iterator

import pytest

from controller.declaration.renderer import Renderer
from controller.declaration.templates import Site, Studies, is_template
from controller.model.declaration import Target
from controller.model.diagnostic import Diagnostic, Place
from controller.model.task import Param, Step, Task

PLACE = Place(file="pipelines/a.yaml", line=10, column=5)
TASK = Task(
    name="deploy",
    params={"channel": Param(name="channel")},
    steps=(Step(name="fetch"), Step(name="build")),
)
TARGET = Target(name="web", task="deploy", servers="all", repo="shop")


@pytest.fixture
def studies() -> Iterator[Studies]:
    with Renderer() as made:
        yield Studies(made)


def found(studies: Studies, site: Site, target: Target = TARGET) -> list[Diagnostic]:
    studies.learn([site])
    return list(studies.findings(site, target, TASK))


def site(text: str, name: str = "steps.fetch.run", *, expression: bool = False) -> Site:
    return Site(name=name, text=text, place=PLACE, expression=expression)


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("{{ secret('x') }}", "secret-in-template", "secrets:"),
        ("{{ var.x }}", "undefined-name", "did you mean vars?"),
        ("{{ server.nam }}", "undefined-name", "did you mean name?"),
        ("{{ params.chanel }}", "undefined-name", "did you mean channel?"),
        ("{{ commit.message }}", "undefined-name", "CTL_COMMIT_MESSAGE"),
        ("{{ commit.author }}", "undefined-name", "CTL_COMMIT_AUTHOR"),
        ("{{ steps.fetch.state }}", "undefined-name", None),
        ("{{ vars.x", "template-syntax", "raw"),
        ("{{ vars.x | nope }}", "template-syntax", None),
    ],
)
def test_findings(studies: Studies, text: str, code: str, hint: str | None) -> None:
    (one,) = found(studies, site(text))
    assert one.code == code
    assert one.place == PLACE
    assert hint is None or hint in (one.hint or "")


def test_a_repo_is_needed_for_its_names(studies: Studies) -> None:
    lone = Target(name="web", task="deploy", servers="all")
    (one,) = found(studies, site("{{ commit.sha }}"), lone)
    assert "has no repo" in one.message


def test_parameters_do_not_see_parameters(studies: Studies) -> None:
    (one,) = found(studies, site("{{ params.channel }}", "params.x"))
    assert one.code == "undefined-name"


def test_conditions_see_steps_and_only_real_ones(studies: Studies) -> None:
    fine = site("steps.fetch.state == 'failed' or steps.build.outputs.x", expression=True)
    assert found(studies, fine) == []
    (step,) = found(studies, site("steps.fetsch.state == 'x'", expression=True))
    assert step.hint == "did you mean fetch?"
    (field,) = found(studies, site("steps.fetch.stat == 'x'", expression=True))
    assert field.hint == "did you mean state?"


def test_the_line_inside_of_a_block_is_told(studies: Studies) -> None:
    (one,) = found(studies, site("a\nb\n{{ nope }}\n"))
    assert one.place == Place(file="pipelines/a.yaml", line=13)


def test_only_braces_make_a_template() -> None:
    assert is_template("{{ a }}")
    assert is_template("{% if %}")
    assert not is_template("awk '{ print $1 }' {# #}")
