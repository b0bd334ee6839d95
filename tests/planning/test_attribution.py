"""Causes get their line, commit and author afterwards: of all lines that can be it, the one that was written last."""

from dataclasses import replace

import pytest

from controller.declaration.renderer import Renderer
from controller.model.declaration import Repo
from controller.model.diagnostic import Place
from controller.model.ids import Digest, Sha
from controller.model.plan import Cause, Plan
from controller.model.revision import Written
from controller.model.work import StepWork, Work
from controller.planning.attribution import Authors, Candidates, attribute, candidates
from controller.planning.origins import gone_name
from tests.planning.world import (
    World,
    declaration,
    only,
    place,
    revision,
    server,
    sourced,
    step,
    target,
    task,
)

OLD, NEW = (Written(commit=Sha(d * 40), author=d, turn=n) for n, d in enumerate("ab"))


def changed(renderer: Renderer, world: World, after: World) -> tuple[Plan, Candidates]:
    """Apply one world, then plan the other on what it left."""
    world.apply(renderer, world.plan(renderer))
    after.records = world.records
    after.now = world.now
    plan = after.plan(renderer)
    return plan, candidates(plan, after.declaration, after.pairs(renderer))


def greeting(value: str, *, line: int = 40, run: str = "echo {{ vars.greeting }}") -> World:
    host = server("web-1", vars={"greeting": value}, origins={"greeting": place(line, "vars.yaml")})
    made = task("deploy", step(run=run))
    return World(declaration=declaration(target("a", "web-1"), servers=(host,), tasks=(made,)))


def lines(found: Candidates) -> list[tuple[str, int]]:
    return [(one.file, one.line) for one in found.places]


def test_declared_causes_are_filled_and_commits_of_repos_stay(renderer: Renderer) -> None:
    world = World(
        declaration=declaration(
            target("a", "web-1"),
            target("b", "web-1", line=9, repo="shop"),
            repos=(Repo(name="shop", url="u"),),
        ),
        sources={"b": sourced(1)},
    )
    world.apply(renderer, world.plan(renderer))
    world.sources = {"b": sourced(2)}
    world.declaration = replace(
        world.declaration,
        targets={**world.declaration.targets, "a": target("a", "web-1", params={"channel": "x"})},
    )
    plan = world.plan(renderer)
    found = candidates(plan, world.declaration, world.pairs(renderer))
    assert found.places == (Place(file="pipelines/shop.yaml", line=7),)
    done = attribute(plan, found, Authors(written={found.places[0]: NEW}))
    first, second = (change.cause for change in done.changes)
    assert (first.line, first.commit, first.author) == (7, NEW.commit, NEW.author)
    assert (second.commit, second.author) == (revision(2).sha, "author 2")
    assert done.digest == plan.digest
    assert attribute(plan, found, Authors(written={})) == plan


def test_a_parameter_that_differs_explains_every_template_that_uses_it(renderer: Renderer) -> None:
    before = World(declaration=declaration(target("a", "web-1", line=2)))
    after = World(declaration=declaration(target("a", "web-1", line=2, params={"channel": "beta"})))
    plan, found = changed(renderer, before, after)
    assert only(plan).inputs == ("params.channel", "steps.go.run")
    assert only(plan).cause == Cause(file="pipelines/shop.yaml", line=7)
    assert lines(found) == [("pipelines/shop.yaml", 7)]


def test_a_variable_that_was_written_last_is_the_cause_not_the_template(
    renderer: Renderer,
) -> None:
    plan, found = changed(renderer, greeting("hi"), greeting("hey"))
    variable, template = place(40, "vars.yaml"), place(21)
    assert set(found.places) == {variable, template}
    done = attribute(plan, found, Authors(written={variable: NEW, template: OLD}))
    assert only(done).cause == Cause(file="vars.yaml", line=40, commit=NEW.commit, author="b")
    done = attribute(plan, found, Authors(written={variable: OLD, template: NEW}))
    assert only(done).cause.line == 21


def test_the_likeliest_line_wins_where_git_cannot_choose(renderer: Renderer) -> None:
    plan, found = changed(renderer, greeting("hi"), greeting("hey"))
    assert only(plan).cause == Cause(file="vars.yaml", line=40)
    same = dict.fromkeys(found.places, NEW)
    assert only(attribute(plan, found, Authors(written=same))).cause.line == 40


def test_a_line_that_is_not_committed_is_newer_than_every_commit(renderer: Renderer) -> None:
    plan, found = changed(renderer, greeting("hi"), greeting("hey"))
    done = attribute(plan, found, Authors(written={place(21): NEW}, uncommitted={"vars.yaml"}))
    assert only(done).cause == Cause(file="vars.yaml", line=40)


def test_servers_with_equal_values_from_different_lines_keep_their_own_cause(
    renderer: Renderer,
) -> None:
    def world(second: str) -> World:
        hosts = tuple(
            server(name, vars={"greeting": value}, origins={"greeting": place(n, "vars.yaml")})
            for n, (name, value) in enumerate((("web-1", "hey"), ("web-2", second)), 1)
        )
        made = task("deploy", step(run="echo {{ vars.greeting }}"))
        bound = target("a", "web-1", "web-2")
        return World(declaration=declaration(bound, servers=hosts, tasks=(made,)))

    plan, _ = changed(renderer, world("hi"), world("hey"))
    assert only(plan).server == "web-2"
    assert only(plan).cause == Cause(file="vars.yaml", line=2)


def test_the_line_of_a_text_that_was_written_last_is_shown(renderer: Renderer) -> None:
    before, after = (
        World(declaration=declaration(target("a", "web-1"), tasks=(task("deploy", step(run=run)),)))
        for run in ("one\ntwo\nthree\n", "one\n2\nthree\n")
    )
    plan, found = changed(renderer, before, after)
    assert [line for _, line in lines(found)] == [21, 22, 23, 24]
    written = {place(line): NEW if line == 23 else OLD for line in range(21, 25)}
    assert only(attribute(plan, found, Authors(written=written))).cause.line == 23


def test_a_script_is_searched_for_the_line_that_changed(renderer: Renderer) -> None:
    def world(script: bytes) -> World:
        made = task("deploy", step(run="", script="go.sh", places={"script": place(21)}))
        made = replace(made, steps=(replace(made.steps[0], run=None),))
        asked = declaration(target("a", "web-1"), tasks=(made,))
        return World(declaration=replace(asked, scripts={"go.sh": script}))

    plan, found = changed(renderer, world(b"one\n"), world(b"one\ntwo\n"))
    written = {place(21): OLD, place(1, "go.sh"): OLD, place(2, "go.sh"): NEW}
    assert set(written) <= set(found.places)
    assert only(attribute(plan, found, Authors(written=written))).cause.file == "go.sh"
    assert only(attribute(plan, found, Authors(written=written))).cause.line == 2


def test_what_no_line_speaks_of_any_more_is_found_by_its_name(renderer: Renderer) -> None:
    two = task("deploy", step(), step("more", "true"))
    world = World(declaration=declaration(target("a", "web-1"), target("b", "web-1"), tasks=(two,)))
    after = World(declaration=declaration(target("a", "web-1")))
    plan, found = changed(renderer, world, after)
    assert found.gone == {("a", "web-1"): "more", ("b", "web-1"): "b"}
    done = attribute(plan, found, Authors(removed={"more": OLD, "b": NEW}))
    assert [change.cause.commit for change in done.changes] == [OLD.commit, NEW.commit]
    assert done.changes[1].cause.file is None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("env.A", "A"),
        ("params.channel", "channel"),
        ("steps.go.env.A", "A"),
        ("steps.old.env.A", "old"),
        ("steps.old.run", "old"),
        ("steps.go.user", ""),
        ("user", ""),
    ],
)
def test_the_key_of_an_input_that_is_gone(name: str, key: str) -> None:
    work = Work(task="t", digest=Digest("0" * 64), steps=(StepWork(name="go", text="x"),))
    assert gone_name(name, work) == key
