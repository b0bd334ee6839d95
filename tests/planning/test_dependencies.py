"""What comes before: its order, and what of it lies outside of a plan."""

from dataclasses import replace

import pytest

from controller.declaration.renderer import Renderer
from controller.errors import DeclarationError
from controller.model.declaration import Repo
from controller.model.job import State
from controller.model.plan import Action, Blocker, Gate
from controller.model.scope import Scope
from controller.planning.dependencies import in_order
from controller.planning.inputs import Inputs, Policy
from tests.planning.world import World, declaration, only, target

ONLY_WEB = Policy(scope=Scope(targets=frozenset({"web"})))


def test_targets_come_after_what_they_wait_for() -> None:
    made = declaration(
        target("a", "s", after=("b",)), target("b", "s", after=("c",)), target("c", "s")
    )
    assert in_order(made, ["a", "b", "c"]) == ["c", "b", "a"]
    assert in_order(made, ["a", "c"]) == ["c", "a"], "what lies between counts"


def test_a_long_row_of_targets_is_no_trouble() -> None:
    made = declaration(
        target("t0", "s"), *(target(f"t{n}", "s", after=(f"t{n - 1}",)) for n in range(1, 3000))
    )
    assert in_order(made, made.targets) == [f"t{n}" for n in range(3000)]


def test_targets_that_wait_for_each_other_are_refused() -> None:
    made = declaration(target("a", "s", after=("b",)), target("b", "s", after=("a",)))
    with pytest.raises(DeclarationError, match="wait for each other: "):
        in_order(made, ["a", "b"])


def world() -> World:
    return World(
        declaration=declaration(target("db", "db-1"), target("web", "web-1", after=("db",)))
    )


def test_what_the_filters_leave_out_must_be_known_to_be_in_sync(renderer: Renderer) -> None:
    made = world()
    blocker = only(made.plan(renderer, ONLY_WEB)).blocked_by
    assert blocker is not None
    assert blocker.gate is Gate.DEPENDENCY
    assert (
        blocker.message
        == "target db comes before and is not in sync on db-1: this plan leaves it out"
    )
    made.apply(renderer, made.plan(renderer))
    del made.records["web", "web-1"]
    assert only(made.plan(renderer, ONLY_WEB)).runs


def test_what_is_left_out_and_wished_otherwise_or_failed_is_not_in_sync(renderer: Renderer) -> None:
    made = world()
    made.apply(renderer, made.plan(renderer))
    del made.records["web", "web-1"]
    old = made.declaration
    beta = replace(old.targets["db"], params={"channel": "beta"})
    made.declaration = replace(old, targets={**old.targets, "db": beta})
    assert not only(made.plan(renderer, ONLY_WEB)).runs
    made.apply(renderer, made.plan(renderer), State.FAILED)
    made.declaration = old
    del made.records["web", "web-1"]
    assert made.records["db", "db-1"].tried is not None
    assert not only(made.plan(renderer, ONLY_WEB)).runs


def test_a_target_without_a_commit_that_may_be_used_is_not_in_sync(renderer: Renderer) -> None:
    repos = (Repo(name="shop", url="https://git.example.com/shop.git"),)
    made = World(
        declaration=declaration(
            target("db", "db-1", repo="shop"), target("web", "web-1", after=("db",)), repos=repos
        )
    )
    refused = Blocker(gate=Gate.SOURCE, message="the history was rewound")
    made.inputs = Inputs(blocked_sources={"shop": refused})
    found = {change.target: change for change in made.plan(renderer).changes}
    assert (found["db"].action, found["db"].unknown) == (Action.NONE, False)
    assert found["web"].blocked_by is not None
    assert found["web"].blocked_by.message.endswith("held by source")


def test_what_is_no_longer_declared_keeps_nobody_waiting(renderer: Renderer) -> None:
    both = target("db", "db-1", "db-2"), target("web", "web-1", after=("db",))
    made = World(declaration=declaration(*both))
    made.apply(renderer, made.plan(renderer))
    del made.records["web", "web-1"]
    made.records["db", "db-2"] = replace(made.records["db", "db-2"], protect=True)
    servers = tuple(made.declaration.inventory.servers.values())
    made.declaration = declaration(target("db", "db-1"), both[1], servers=servers)
    found = {change.target: change for change in made.plan(renderer).changes}
    assert not found["db"].runs
    assert found["web"].runs
