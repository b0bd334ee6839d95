"""The undo of a target is rendered with every pair, small enough to be kept on its server."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from controller.declaration.pairs import Resolved, resolve
from controller.declaration.renderer import Renderer
from controller.declaration.undoing import UNDO_LIMIT
from controller.model.declaration import Declaration, OnRemove, Repo
from controller.model.files import Checkout, FileSpec
from controller.model.rollout import Rollout
from controller.model.task import Param, Task
from tests.planning.world import declaration, place, server, sourced, step, target, task

SERVERS: Final = tuple(server(f"web-{n}", vars={"dir": f"/srv/{n}"}) for n in range(3))
UNDO: Final = Task(
    name="undo",
    params={"channel": Param(name="channel", default="none", place=place(41))},
    steps=(
        step(
            "rm", "rm -r {{ vars.dir }} {{ params.channel }} {{ target.name }} {{ commit.branch }}"
        ),
    ),
)


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def world(undo: Task = UNDO, **more: Any) -> Declaration:
    made = target("web", *(one.name for one in SERVERS), repo="shop", **more)
    made = replace(
        made,
        on_remove=OnRemove.RUN,
        undo="undo",
        places={**made.places, "on_remove": place(9)},
    )
    return declaration(
        made, servers=SERVERS, tasks=(task(), undo), repos=(Repo(name="shop", url="u"),)
    )


def resolved(renderer: Renderer, made: Declaration) -> Resolved:
    return resolve(made, {"web": sourced(1)}, renderer)


def told(renderer: Renderer, undo: Task) -> list[tuple[int, str]]:
    return [(d.place.line, d.code) for d in resolved(renderer, world(undo)).diagnostics]


def test_an_undo_has_its_own_defaults_and_sees_what_the_target_sees(renderer: Renderer) -> None:
    found = resolved(renderer, world(params={"channel": "stable"}, rollout=Rollout(health="true")))
    assert found.diagnostics == ()
    texts = [[one.text for one in pair.undo.steps] for pair in found.pairs if pair.undo]
    assert texts == [[f"rm -r /srv/{n} none web main"] for n in range(3)]


def test_an_undo_does_not_count_and_does_not_split_what_is_shared(renderer: Renderer) -> None:
    with_undo = resolved(renderer, world()).pairs
    plain = world()
    plain = replace(plain, targets={"web": replace(plain.targets["web"], undo=None)})
    without = resolved(renderer, plain).pairs
    assert {pair.work.digest for pair in with_undo} == {pair.work.digest for pair in without}
    assert len({id(pair.work) for pair in with_undo}) == 1
    assert [pair.undo for pair in without] == [None] * 3


def test_an_undo_with_errors_is_told_and_the_pair_is_left_out(renderer: Renderer) -> None:
    wrong = replace(UNDO, steps=(step("rm", "rm {{ vars.dirr }}", line=50),))
    assert told(renderer, wrong) == [(51, "undefined-name")]
    assert resolved(renderer, world(wrong)).pairs == ()


def test_an_undo_has_all_its_parameters_and_no_checkout(renderer: Renderer) -> None:
    needy = replace(UNDO, params={"channel": Param(name="channel", required=True, place=place(41))})
    assert told(renderer, needy) == [(9, "missing-param")]
    assert told(renderer, replace(UNDO, checkout=Checkout(path="/srv"))) == [(9, "undo-checkout")]


def test_an_undo_fits_in_a_marker(renderer: Renderer) -> None:
    small = replace(UNDO, files=(FileSpec(path="/a", content="x" * (UNDO_LIMIT - 200)),))
    assert told(renderer, small) == []
    large = replace(UNDO, files=(FileSpec(path="/a", content="x" * UNDO_LIMIT),))
    assert told(renderer, large) == [(9, "undo-too-large")]
