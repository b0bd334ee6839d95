"""How much one run may touch, and what lets it touch more."""

from dataclasses import replace
from typing import Any

import pytest

from controller.declaration.renderer import Renderer
from controller.model.amount import Amount
from controller.model.declaration import Budget, Settings
from controller.model.plan import Limit, Plan
from controller.model.scope import Scope
from controller.planning.inputs import Policy
from tests.planning.world import World, declaration, server, target

SERVERS = tuple(f"web-{number}" for number in range(1, 21))


def budget(**keys: Any) -> Settings:
    return Settings(budget=Budget(**keys))


def share(number: int) -> Amount:
    return Amount(number=number, percent=True)


def fleet(*names: str, settings: Settings | None = None) -> World:
    """A target on some of twenty servers that stay declared."""
    servers = tuple(map(server, SERVERS))
    made = declaration(target("web", *names), servers=servers)
    return World(declaration=replace(made, settings=settings or Settings()))


def limits(plan: Plan) -> list[Limit]:
    return [one.limit for one in plan.excess]


@pytest.mark.parametrize(
    ("amount", "touched", "over"),
    [
        (None, 20, False),
        (Amount(number=3), 3, False),
        (Amount(number=3), 4, True),
        (share(20), 4, False),
        (share(20), 5, True),
        (share(0), 1, True),
        (Amount(number=0), 0, False),
    ],
)
def test_a_run_touches_no_more_servers_than_its_budget(
    renderer: Renderer, amount: Amount | None, touched: int, *, over: bool
) -> None:
    plan = fleet(*SERVERS[:touched], settings=budget(servers=amount)).plan(renderer)
    assert plan.summary.servers == touched
    assert limits(plan) == ([Limit.SERVERS] if over else [])


def test_an_excess_names_its_numbers_and_what_passes_over_it(renderer: Renderer) -> None:
    world = fleet(*SERVERS[:5], settings=budget(servers=Amount(number=3)))
    (found,) = world.plan(renderer).excess
    assert found.message == "cannot touch 5 of 20 servers at once: at most 3 may be touched"
    assert found.clear == "ctl apply --override budget-servers --reason TEXT"
    assert world.plan(renderer, Policy(overrides={"budget-servers": "new fleet"})).excess == ()


def test_what_is_held_back_counts_for_nothing(renderer: Renderer) -> None:
    world = fleet(*SERVERS[:5], settings=budget(servers=Amount(number=3)))
    off = {name: server(name, active=name not in SERVERS[:2]) for name in SERVERS}
    inventory = replace(world.declaration.inventory, servers=off)
    world.declaration = replace(world.declaration, inventory=inventory)
    assert world.plan(renderer).excess == ()


def test_forgetting_touches_no_server(renderer: Renderer) -> None:
    world = fleet(*SERVERS[:3])
    world.apply(renderer, world.plan(renderer))
    world.declaration = fleet("web-1", settings=budget(servers=Amount(number=1))).declaration
    plan = world.plan(renderer)
    assert plan.summary.remove == 2
    assert plan.excess == ()


@pytest.mark.parametrize(
    ("amount", "known", "gone", "over"),
    [
        (None, 20, 6, False),  # not ten
        (None, 9, 9, False),
        (None, 20, 10, True),
        (share(50), 20, 10, False),
        (share(50), 20, 11, True),
        (Amount(number=2), 20, 2, False),
        (Amount(number=2), 20, 3, True),
        (Amount(number=0), 20, 1, True),
    ],
)
def test_a_run_removes_no_more_pairs_than_its_budget(
    renderer: Renderer, amount: Amount | None, known: int, gone: int, *, over: bool
) -> None:
    world = fleet(*SERVERS[:known])
    world.apply(renderer, world.plan(renderer))
    settings = Settings() if amount is None else budget(removals=amount)
    world.declaration = fleet(*SERVERS[gone:known], settings=settings).declaration
    plan = world.plan(renderer)
    assert plan.summary.remove == gone
    assert limits(plan) == ([Limit.REMOVALS] if over else [])
    if over:
        assert plan.excess[0].message.startswith(f"cannot remove {gone} of {known} known pairs")
    assert world.plan(renderer, Policy(overrides={"budget-removals": "moved"})).excess == ()


@pytest.mark.parametrize(
    ("gone", "protected", "over"), [(4, "", True), (3, "", False), (4, "b", False)]
)
def test_what_goes_of_other_targets_counts_where_a_loop_decides_about_one(
    renderer: Renderer, gone: int, protected: str, *, over: bool
) -> None:
    names, servers = ["a", "b", "c", "d", "e"], tuple(map(server, SERVERS[:3]))
    targets = [target(name, *SERVERS[:3]) for name in names]
    world = World(declaration=declaration(*targets, servers=servers))
    world.apply(renderer, world.plan(renderer))
    for key, record in world.records.items():
        world.records[key] = replace(record, protect=key[0] == protected)
    world.declaration = declaration(*targets[gone:], servers=servers)
    one = Scope(targets=frozenset({"a"}))
    assert world.plan(renderer, Policy(scope=one)).excess == ()  # a person names it
    plan = world.plan(renderer, Policy(scope=one, by_hand=False))
    assert plan.summary.remove == 3
    assert limits(plan) == ([Limit.REMOVALS] if over else [])
    if over:
        assert plan.excess[0].message.startswith(f"cannot remove {gone * 3} of 15 known pairs")


@pytest.mark.parametrize("servers", [(), (server("web-1"),)])
def test_no_declarations_never_mean_everything(
    renderer: Renderer, servers: tuple[Any, ...]
) -> None:
    world = World(
        declaration=declaration(
            target("web", "web-1"), target("db", "web-1"), servers=(server("web-1"),)
        )
    )
    world.apply(renderer, world.plan(renderer))
    world.declaration = declaration(servers=servers)
    plan = world.plan(renderer)
    assert limits(plan) == [Limit.ZERO]
    assert plan.excess[0].message == (
        "cannot take it that no targets are declared: 2 known pairs would go"
    )
    assert world.plan(renderer, Policy(overrides={"zero-declarations": "the end"})).excess == ()


def test_a_person_may_take_away_the_only_target_but_no_loop_does(renderer: Renderer) -> None:
    world = fleet("web-1", "web-2")
    world.apply(renderer, world.plan(renderer))
    world.declaration = declaration(servers=(server("web-1"), server("web-2")))
    assert limits(world.plan(renderer)) == []
    assert limits(world.plan(renderer, Policy(by_hand=False))) == [Limit.ZERO]


def test_servers_without_any_left_are_zero_too(renderer: Renderer) -> None:
    world = fleet("web-1")
    world.apply(renderer, world.plan(renderer))
    world.declaration = declaration(target("web"), servers=())
    assert limits(world.plan(renderer)) == [Limit.ZERO]
    assert "no servers are declared" in world.plan(renderer).excess[0].message


def test_a_new_project_with_nothing_in_it_is_no_alarm(renderer: Renderer) -> None:
    assert World(declaration=declaration(servers=())).plan(renderer).excess == ()
