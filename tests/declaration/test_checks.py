"""A check speaks of the applied run, not of the wanted one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.declaration.checks import render
from controller.declaration.pairs import resolve
from controller.declaration.renderer import Renderer
from controller.model.applied import Applied
from controller.model.declaration import Declaration, Repo
from controller.model.work import Pair
from tests.planning.world import declaration, revision, server, sourced, target, task


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def world(check: str | None) -> Declaration:
    made = task(check=check, env={"AT": "{{ commit.sha }}"}, user="{{ vars.user }}")
    machines = tuple(server(f"web-{n}", vars={"user": f"u{n}"}) for n in range(3))
    return declaration(
        target("web", "web-0", "web-1", "web-2", repo="shop", paths=("app/**",)),
        servers=machines,
        tasks=(made,),
        repos=(Repo(name="shop", url="u"),),
    )


def applied(pair: Pair, number: int) -> tuple[Pair, Applied]:
    at = revision(number)
    return pair, Applied(
        target=pair.target,
        server=pair.server,
        commit=at.sha,
        branch="main",
        committed_at=at.committed_at,
    )


def test_checks_see_the_applied_commit(renderer: Renderer) -> None:
    made = world('test "$(cat REVISION)" = {{ commit.sha | quote }} # {{ params.channel }}')
    pairs = resolve(made, {"web": sourced(9, watched=())}, renderer).pairs
    wanted = [applied(pair, n) for n, pair in enumerate(pairs)]
    found = render(made, wanted, renderer)
    assert found.diagnostics == ()
    for n, one in enumerate(found.checks):
        sha = revision(n).sha
        assert one.text == f'test "$(cat REVISION)" = {sha} # stable'
        assert (one.env, one.user, one.params) == ({"AT": sha}, f"u{n}", {"channel": "stable"})
        assert (one.pair, one.applied) == wanted[n]


def test_a_task_without_a_check_has_none(renderer: Renderer) -> None:
    made = world(None)
    pairs = resolve(made, {"web": sourced(9)}, renderer).pairs
    assert render(made, [applied(pairs[0], 1)], renderer).checks == ()


def test_a_check_that_cannot_be_rendered_is_located(renderer: Renderer) -> None:
    made = world("{{ vars.nope }}")
    pairs = resolve(replace(made), {"web": sourced(9)}, renderer).pairs
    found = render(made, [applied(pair, 1) for pair in pairs], renderer)
    assert found.checks == ()
    assert {one.code for one in found.diagnostics} == {"undefined-name"}
