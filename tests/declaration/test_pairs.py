"""Every pair gets its rendered work and its input digest, and equal work is shared."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from controller.declaration.pairs import Resolved, placeholders, resolve
from controller.declaration.renderer import Renderer
from controller.model.declaration import Declaration, Repo
from controller.model.diagnostic import Place, Severity
from controller.model.scope import Scope
from controller.model.task import Param, Step, Task
from controller.model.work import Pair, Work
from tests.planning.world import declaration, place, revision, server, sourced, step, target, task

SERVERS: Final = tuple(
    server(f"web-{n}", vars={"env": "prod" if n < 3 else "test", "n": n}, groups=("web",))
    for n in range(4)
)
MEMBERS: Final = tuple(one.name for one in SERVERS)
SHOP: Final = (Repo(name="shop", url="u"),)


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def world(run: str, *members: str, task_: Task | None = None, **more: Any) -> Declaration:
    made = target("web", *(members or MEMBERS), **more)
    return declaration(
        made, servers=SERVERS, tasks=(task_ or task("deploy", step(run=run)),), repos=SHOP
    )


def works(found: Resolved) -> list[Work]:
    assert found.diagnostics == ()
    return [pair.work for pair in found.pairs]


def text(pair: Pair) -> str:
    return pair.work.steps[0].text


def test_equal_work_is_one_object(renderer: Renderer) -> None:
    same = works(resolve(world("echo {{ params.channel }} {{ target.name }}"), {}, renderer))
    assert len({id(work) for work in same}) == 1
    two = works(resolve(world("echo {{ vars.env }}"), {}, renderer))
    assert len({id(work) for work in two}) == 2
    assert len({work.digest for work in two}) == 2
    four = works(resolve(world("echo {{ server.name }} {{ vars.n }}"), {}, renderer))
    assert [work.steps[0].text for work in four] == [f"echo web-{n} {n}" for n in range(4)]


def test_templates_see_what_they_should(renderer: Renderer) -> None:
    seen = (
        "{{ server.address }} {{ server.groups[0] }} {{ target.name }} {{ repo.name }} {{ repo.branch }} "
        "{{ commit.sha }} {{ commit.short_sha }} {{ commit.branch }} {{ commit.date }}"
    )
    one = resolve(world(seen, "web-1", repo="shop"), {"web": sourced(7)}, renderer).pairs[0]
    sha = revision(7).sha
    assert text(one) == f"web-1 web web shop main {sha} {sha[:7]} main 2026-02-28T12:07:00+00:00"


def test_everything_that_may_be_a_template_is_rendered(renderer: Renderer) -> None:
    made = Task(
        name="deploy",
        params={"channel": Param(name="channel"), "more": Param(name="more")},
        env={"A": "{{ vars.env }}"},
        user="u{{ vars.n }}",
        workdir="/srv/{{ params.channel }}",
        steps=(
            Step(
                name="go",
                run="x",
                env={"B": "{{ target.name }}"},
                workdir="/{{ vars.n }}",
                user="{{ vars.env }}",
            ),
        ),
    )
    params = {"channel": "c-{{ vars.env }}", "more": {"list": ["{{ vars.n }}", 3]}}
    (work,) = works(resolve(world("", "web-1", task_=made, params=params), {}, renderer))
    assert (work.env, work.user, work.workdir) == ({"A": "prod"}, "u1", "/srv/c-prod")
    assert work.params == {"channel": "c-prod", "more": {"list": ["1", 3]}}
    (one,) = work.steps
    assert (one.env, one.workdir, one.user) == ({"B": "web"}, "/1", "prod")


def test_scripts_and_values_of_variables_are_text(renderer: Renderer) -> None:
    script = Step(name="go", script="scripts/a.sh", shell="bash -eu")  # noqa: S604 - a key of a record
    made = replace(
        world("", "web-1", task_=Task(name="deploy", steps=(script,))),
        scripts={"scripts/a.sh": b"echo {{ vars.env }}\n"},
    )
    (work,) = works(resolve(made, {}, renderer))
    assert work.steps[0].text == "echo {{ vars.env }}\n"
    assert work.steps[0].shell == ("bash", "-eu")
    origin = Place(file="inventory/a.yaml", line=4)
    braced = server("web-1", vars={"x": "{{ server.name }}"}, origins={"x": origin})
    found = resolve(
        declaration(
            target("web", "web-1"),
            servers=(braced,),
            tasks=(task("deploy", step(run="{{ vars.x }}")),),
        ),
        {},
        renderer,
    )
    assert text(found.pairs[0]) == "{{ server.name }}"
    (warning,) = found.diagnostics
    assert (warning.severity, warning.place) == (Severity.WARNING, origin)


def test_an_undefined_variable_is_one_finding_that_counts_servers(renderer: Renderer) -> None:
    found = resolve(world("a\n{{ vars.envv }}\n"), {}, renderer)
    assert found.pairs == ()
    (one,) = found.diagnostics
    assert one.message == "steps.go.run: envv is not defined on web-0 and 3 more"
    assert one.hint == "did you mean env?"
    assert one.place == Place(file="pipelines/shop.yaml", line=23)


def test_a_failure_on_some_servers_leaves_the_others(renderer: Renderer) -> None:
    found = resolve(world("{{ 6 // vars.n }}"), {}, renderer)
    assert [pair.server for pair in found.pairs] == ["web-1", "web-2", "web-3"]
    assert "on web-0" in found.diagnostics[0].message


def test_a_value_no_template_may_see_is_located(renderer: Renderer) -> None:
    odd = server("web-1", vars={"x": object(), "env": "prod"})
    made = declaration(
        target("web", "web-1"), servers=(odd,), tasks=(task("deploy", step(run="{{ vars.x }}")),)
    )
    (one,) = resolve(made, {}, renderer).diagnostics
    assert one.code == "template-opaque"
    fine = replace(made, tasks={"deploy": task("deploy", step(run="{{ vars.env }}"))})
    assert resolve(fine, {}, renderer).diagnostics == ()


def test_conditions_keep_the_values_they_use(renderer: Renderer) -> None:
    made = step(run="x", when="vars.env == 'prod' and steps.go.state == 'succeeded'")
    found = resolve(world("", task_=task("deploy", made)), {}, renderer)
    assert found.pairs[0].work.steps[0].sees == {"vars": {"env": "prod"}}
    assert len({pair.work.digest for pair in found.pairs}) == 2


@pytest.mark.parametrize(
    ("schema", "template", "value"),
    [
        ({"type": "integer"}, "{{ vars.n }}", 1),
        ({"type": "boolean"}, "{{ (vars.env == 'prod') | tojson }}", True),
        ({"type": "string", "enum": ["prod", "test"]}, "{{ vars.env }}", "prod"),
        ({"type": "array"}, "{{ [vars.n] | tojson }}", [1]),
    ],
)
def test_rendered_parameters_have_their_type(
    renderer: Renderer, schema: dict[str, object], template: str, value: object
) -> None:
    made = Task(
        name="deploy",
        params={"p": Param(name="p", schema=schema)},
        steps=(Step(name="go", run="x"),),
    )
    (work,) = works(resolve(world("", "web-1", task_=made, params={"p": template}), {}, renderer))
    assert work.params == {"p": value}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "string", "enum": ["a"]},
        {"type": "string", "pattern": "^a"},
        {"type": "array"},
    ],
)
def test_rendered_parameters_fit_their_schema(
    renderer: Renderer, schema: dict[str, object]
) -> None:
    made = Task(
        name="deploy",
        params={"p": Param(name="p", schema=schema)},
        steps=(Step(name="go", run="x"),),
    )
    found = resolve(world("", "web-1", task_=made, params={"p": "{{ 'x' }}"}), {}, renderer)
    assert found.pairs == ()
    assert "params.p: does not fit once it is rendered" in found.diagnostics[0].message


def test_scope_limits_what_is_resolved(renderer: Renderer) -> None:
    scope = Scope(servers=frozenset({"web-1"}))
    assert [p.server for p in resolve(world("x"), {}, renderer, scope=scope).pairs] == ["web-1"]
    none = Scope(targets=frozenset())
    assert resolve(world("x"), {}, renderer, scope=none).pairs == ()


def test_a_target_whose_repo_has_no_commit_is_left_out(renderer: Renderer) -> None:
    assert resolve(world("x", repo="shop"), {}, renderer) == Resolved()


def test_placeholders_let_validate_render_every_pair_and_check(renderer: Renderer) -> None:
    made = world("{{ commit.sha }}", repo="shop", task_=task("deploy", check="{{ vars.nope }}"))
    commits = placeholders(made)
    assert len(resolve(made, commits, renderer).pairs) == 4
    (one,) = resolve(made, commits, renderer, checks=True).diagnostics
    assert one.message == "check: nope is not defined on web-0 and 3 more"
    assert one.place == place(19)


def test_an_untemplated_fleet_never_starts_the_child() -> None:
    with Renderer() as idle:
        assert len(resolve(world("echo hello"), {}, idle).pairs) == 4
        assert idle._child is None
