"""Canaries first, then batches; what a scheduler must keep to; who gets a wave."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from controller.declaration.renderer import Renderer
from controller.errors import Unreachable
from controller.model.amount import Amount
from controller.model.inventory import Group
from controller.model.observation import ServerSeen
from controller.model.plan import Action, Gate, Plan
from controller.model.rollout import GroupBudget, Order, Rollout, WhenOffline
from controller.planning.applying import apply_set, held, unreachable
from controller.planning.inputs import Policy
from controller.planning.waves import sizes
from tests.planning.world import NOW, World, declaration, server, target

TEN = tuple(f"web-{number}" for number in range(1, 11))


def count(number: int) -> Amount:
    return Amount(number=number)


def share(number: int) -> Amount:
    return Amount(number=number, percent=True)


@pytest.mark.parametrize(
    ("total", "rollout", "wanted"),
    [
        (5, None, [5]),
        (0, None, []),
        (5, Rollout(), [5]),
        (5, Rollout(canary=1), [1, 4]),
        (1, Rollout(canary=3), [1]),
        (10, Rollout(canary=1, batches=(share(25),)), [1, 2, 2, 2, 2, 1]),
        (10, Rollout(canary=2, batches=(count(1), count(3))), [2, 1, 3, 3, 1]),
        (3, Rollout(batches=(share(10),)), [1, 1, 1]),
        (4, Rollout(batches=(share(100),)), [4]),
        (10, Rollout(batches=(share(50), share(100))), [5, 5]),
    ],
)
def test_sizes_of_waves(total: int, rollout: Rollout | None, wanted: list[int]) -> None:
    assert list(sizes(total, rollout)) == wanted


amounts = st.builds(Amount, number=st.integers(1, 60), percent=st.booleans())
rollouts = st.builds(
    Rollout, canary=st.integers(0, 9), batches=st.lists(amounts, max_size=4).map(tuple)
)


@given(st.integers(0, 300), rollouts)
def test_waves_hold_every_server_once_and_none_is_larger_than_declared(
    total: int, rollout: Rollout
) -> None:
    found = list(sizes(total, rollout))
    assert sum(found) == total
    assert all(size > 0 for size in found)
    wanted = [rollout.canary] if rollout.canary else []
    wanted += [batch.of(total, least=1) for batch in rollout.batches] or [total]
    for index, size in enumerate(found):
        assert size <= wanted[min(index, len(wanted) - 1)] or index == len(wanted)


def world(*names: str, **keys: Any) -> World:
    return World(declaration=declaration(target("web", *names, **keys)))


def waves(plan: Plan) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for change in plan.changes:
        found.setdefault(change.wave, []).append(change.server)
    return found


CAREFUL = Rollout(canary=1, batches=(share(50),), max_failures=share(20), pause=30.0)


def test_servers_are_reached_in_the_order_people_expect(renderer: Renderer) -> None:
    plan = world(*reversed(TEN), rollout=CAREFUL).plan(renderer)
    assert waves(plan) == {1: ["web-1"], 2: list(TEN[1:6]), 3: list(TEN[6:])}
    assert plan.orders == {"web": Order(pause=30.0, max_failures=2)}


def test_without_a_rollout_all_servers_are_one_wave_and_failures_stop_nothing(
    renderer: Renderer,
) -> None:
    made = target("web", *TEN, after=("db",), priority=7)
    plan = World(declaration=declaration(made, target("db", "db-1"))).plan(renderer)
    assert set(waves(plan)) == {1}
    assert plan.orders == {"web": Order(after=("db",), priority=7), "db": Order()}


def test_a_rollout_without_a_word_on_failures_allows_none(renderer: Renderer) -> None:
    assert world("web-1", rollout=Rollout()).plan(renderer).orders["web"].max_failures == 0


def test_what_does_not_run_takes_no_place_in_a_wave(renderer: Renderer) -> None:
    made = target("web", *TEN, rollout=Rollout(canary=1))
    switched_off = (server("web-1", active=False), *map(server, TEN[1:]))
    plan = World(declaration=declaration(made, servers=switched_off)).plan(renderer)
    found = {change.server: change.wave for change in plan.changes if change.runs}
    assert found == {"web-2": 1} | dict.fromkeys(TEN[2:], 2)


def offline(world: World, renderer: Renderer, *names: str) -> World:
    """Make everything in sync, then wish for something else while some servers do not answer."""
    world.apply(renderer, world.plan(renderer))
    old = world.declaration.targets["web"]
    targets = {"web": replace(old, params={"channel": "beta"})}
    world.declaration = replace(world.declaration, targets=targets)
    world.seen = {
        name: ServerSeen(server=name, at=NOW, reached=False, cause=Unreachable.TCP)
        for name in names
    }
    return world


@pytest.mark.parametrize(
    ("keys", "gets_a_job"),
    [
        ({}, False),
        ({"when_offline": WhenOffline.SKIP}, True),
        ({"when_offline": WhenOffline.FAIL}, True),
        ({"rollout": CAREFUL}, True),
    ],
)
def test_a_server_that_does_not_answer_gets_a_job_where_that_is_counted(
    renderer: Renderer, keys: dict[str, Any], *, gets_a_job: bool
) -> None:
    plan = offline(world("web-1", "web-2", **keys), renderer, "web-1").plan(renderer)
    first = plan.changes[0]
    assert first.blocked_by is not None
    assert first.blocked_by.gate is Gate.OFFLINE
    assert (first in apply_set(plan)) is gets_a_job
    assert unreachable(plan) == (() if gets_a_job else (first,))
    assert held(plan) == ()


def test_servers_that_do_not_answer_take_their_place_in_the_waves(renderer: Renderer) -> None:
    plan = offline(world(*TEN, rollout=CAREFUL), renderer, "web-1", "web-7").plan(renderer)
    assert waves(plan) == {1: ["web-1"], 2: list(TEN[1:6]), 3: list(TEN[6:])}


def test_what_is_only_shown_of_a_server_that_does_not_answer_gets_no_job(
    renderer: Renderer,
) -> None:
    made = offline(world("web-1", "web-2", rollout=CAREFUL), renderer, "web-1")
    keys = [("web", "web-1"), ("web", "web-2")]
    works = {(p.target, p.server): p.work.digest for p in made.pairs(renderer)}
    for key in keys:
        made.records[key] = replace(made.records[key], applied=works[key])
    plan = made.plan(renderer)
    assert [(c.server, c.action) for c in plan.changes] == [("web-1", Action.NONE)]
    assert apply_set(plan) == ()
    assert plan.orders == {}
    made.declaration = declaration(
        target("web", "web-2", rollout=CAREFUL, params={"channel": "gamma"}),
        servers=(server("web-1"), server("web-2")),
    )
    plan = made.plan(renderer)
    assert [(c.server, c.action) for c in plan.changes] == [
        ("web-1", Action.FORGET),
        ("web-2", Action.CHANGE),
    ]
    assert [change.server for change in apply_set(plan)] == ["web-2"]
    assert [change.server for change in unreachable(plan)] == ["web-1"]


def test_the_limit_of_a_group_goes_with_the_plan(renderer: Renderer) -> None:
    made = declaration(target("web", *TEN), target("db", "db-1"))
    groups = {
        "shop": Group(name="shop", children=("web",), max_unavailable=share(50)),
        "web": Group(name="web", servers=TEN[:4]),
        "small": Group(name="small", servers=TEN[:3], max_unavailable=share(1)),
        "far": Group(name="far", servers=("db-9",), max_unavailable=count(1)),
    }
    inventory = replace(made.inventory, groups=groups)
    fleet = World(declaration=replace(made, inventory=inventory))
    fleet.seen = {"web-4": ServerSeen(server="web-4", at=NOW, reached=False)}
    four, three = frozenset(TEN[:4]), frozenset(TEN[:3])
    assert fleet.plan(renderer).budgets == (
        GroupBudget(group="shop", servers=four, limit=2, down=frozenset({"web-4"})),
        GroupBudget(group="small", servers=three, limit=1),
    )
    waived = fleet.plan(renderer, Policy(overrides={"budget": "all hands"}))
    assert waived.budgets[0] == GroupBudget(group="shop", servers=four, limit=2)
