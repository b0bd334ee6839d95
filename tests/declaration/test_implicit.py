"""The controller's own steps stand around the declared ones and never enter the digest."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from controller.declaration.pairs import placeholders, resolve
from controller.declaration.renderer import Renderer
from controller.model.declaration import Declaration, Repo
from controller.model.files import Checkout, FileSpec
from controller.model.rollout import Rollout
from controller.model.task import Retry, Task
from controller.model.work import StepKind, StepWork, Work
from tests.planning.world import declaration, place, server, sourced, step, target, task

FILES: Final = (FileSpec(path="/etc/a", content="x"),)
CHECKOUT: Final = Checkout(path="/srv/shop")
SERVER: Final = server("web-1", vars={"port": 80})


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def world(made: Task, rollout: Rollout | None = None, **more: Any) -> Declaration:
    one = target("web", "web-1", repo="shop", rollout=rollout, **more)
    return declaration(one, servers=(SERVER,), tasks=(made,), repos=(Repo(name="shop", url="u"),))


def work(renderer: Renderer, made: Task, rollout: Rollout | None = None) -> Work:
    found = resolve(world(made, rollout), {"web": sourced(1)}, renderer)
    assert found.diagnostics == ()
    return found.pairs[0].work


def shape(one: Work) -> list[tuple[str, tuple[str, ...]]]:
    return [(step.name, step.needs) for step in one.steps]


def test_what_is_delivered_goes_before_steps_that_wait_for_nothing(renderer: Renderer) -> None:
    steps = (step("a", "x"), step("b", "x", needs=("a",)), step("c", "x"))
    both = task("deploy", *steps, checkout=CHECKOUT, files=FILES)
    assert shape(work(renderer, both)) == [
        ("_checkout", ()),
        ("_files", ("_checkout",)),
        ("a", ("_files",)),
        ("b", ("a",)),
        ("c", ("_files",)),
    ]
    one = task("deploy", *steps[:1], checkout=CHECKOUT)
    assert shape(work(renderer, one)) == [("_checkout", ()), ("a", ("_checkout",))]
    none = task("deploy", *steps)
    assert shape(work(renderer, none)) == [("a", ()), ("b", ("a",)), ("c", ())]


def test_health_waits_for_every_declared_step_and_is_tried_again(renderer: Renderer) -> None:
    made = task("deploy", step("a", "x"), step("b", "x"), files=FILES)
    health = work(renderer, made, Rollout(health="curl :{{ vars.port }}")).steps[-1]
    assert health == StepWork(
        name="_health",
        kind=StepKind.HEALTH,
        text="curl :80",
        needs=("a", "b"),
        timeout=30.0,
        retry=Retry(limit=5, delay=2.0),
        idempotent=True,
    )
    alone = replace(made, steps=())
    assert shape(work(renderer, alone, Rollout(health="true"))) == [
        ("_files", ()),
        ("_health", ("_files",)),
    ]


def test_the_guard_begins_first_and_waits_as_long_as_the_rollout_says(renderer: Renderer) -> None:
    made = task("deploy", step("a", "x"), files=FILES, revert="undo {{ server.name }}")
    steps = work(renderer, made, Rollout(confirm=60.0, health="true")).steps
    assert [one.name for one in steps] == ["_confirm", "_files", "a", "_health"]
    assert steps[0] == StepWork(
        name="_confirm", kind=StepKind.CONFIRM, text="undo web-1", timeout=60.0
    )
    assert steps[-1].needs == ("a",)
    assert "_confirm" not in {one.name for one in work(renderer, made, Rollout()).steps}


def test_deliveries_may_be_started_again(renderer: Renderer) -> None:
    made = task("deploy", step("a", "x", idempotent=True), checkout=CHECKOUT, files=FILES)
    kinds = {one.name: (one.kind, one.idempotent) for one in work(renderer, made).steps}
    assert kinds == {
        "_checkout": (StepKind.CHECKOUT, True),
        "_files": (StepKind.FILES, True),
        "a": (StepKind.COMMAND, True),
    }


def test_health_confirm_and_revert_are_no_inputs(renderer: Renderer) -> None:
    made = task("deploy", step("a", "x"), files=FILES)
    plain = work(renderer, made)
    other = work(
        renderer,
        replace(made, revert="undo", steps=(replace(made.steps[0], idempotent=True),)),
        Rollout(health="{{ commit.sha }}", confirm=5.0),
    )
    assert other.digest == plain.digest
    assert set(other.inputs) == {"params.channel", "steps.a.run", "files./etc/a.content", "source"}


def test_their_errors_are_told_at_their_places(renderer: Renderer) -> None:
    made = task(
        "deploy",
        revert="{{ vars.no }}",
        places={"": place(18), "revert": place(30), "revert.run": place(31)},
    )
    rollout = Rollout(health="{{ vars.prt }}")
    found = world(made, rollout, places={"": place(2), "rollout.health": place(9)})
    told = resolve(found, placeholders(found), renderer, checks=True).diagnostics
    assert [(one.place, one.message) for one in told] == [
        (place(9), "health: prt is not defined on web-1"),
        (place(31), "revert: no is not defined on web-1"),
    ]
    unasked = resolve(found, placeholders(found), renderer).diagnostics
    assert [one.place for one in unasked] == [place(9)]
