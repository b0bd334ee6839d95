"""Laws of gates and waves, over small fleets of every shape."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from controller.declaration.renderer import Renderer
from controller.model.amount import Amount
from controller.model.declaration import Declaration, OnCommit, Target
from controller.model.inventory import Group
from controller.model.job import State
from controller.model.observation import ServerSeen
from controller.model.plan import OVERRIDABLE, Action, Plan
from controller.model.rollout import ApprovalRule, Rollout, Suspended, WhenOffline, Window
from controller.model.standing import Standing, Suspension
from controller.planning.applying import apply_set
from controller.planning.inputs import Policy
from controller.planning.saved import dump, load
from controller.planning.waves import works
from tests.planning.world import NOW, World, declaration, server, target

SERVERS = tuple(f"web-{number}" for number in range(1, 13))
TARGETS = ("alpha", "beta", "gamma")
CLOSED = (Window(allow="0 3 * * *", seconds=3600.0),)

amounts = st.builds(Amount, number=st.integers(1, 50), percent=st.booleans())
limits = st.builds(Amount, number=st.integers(0, 40), percent=st.booleans())
rollouts = st.none() | st.builds(
    Rollout,
    canary=st.integers(0, 3),
    batches=st.lists(amounts, max_size=3).map(tuple),
    max_failures=limits,
)
GATED = st.fixed_dictionaries(
    {},
    optional={
        "suspended": st.just(Suspended(reason="r")),
        "windows": st.just(CLOSED),
        "approval": st.just(ApprovalRule()),
        "on_commit": st.just(OnCommit.IGNORE),
    },
)

_SHARED: list[Renderer] = []


@contextmanager
def renderer() -> Iterator[Renderer]:
    """One child for all examples; it holds nothing from one to the next."""
    if not _SHARED:
        _SHARED.append(Renderer())
    yield _SHARED[0]


def teardown_module() -> None:
    while _SHARED:
        _SHARED.pop().__exit__(None, None, None)


law = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A fleet in which some is applied, some failed, some is not reached, and something is wished."""
    targets: list[Target] = []
    for number, name in enumerate(
        draw(st.lists(st.sampled_from(TARGETS), unique=True, min_size=1))
    ):
        before = draw(st.sets(st.sampled_from(TARGETS[:number]))) if number else set()
        members = draw(st.sets(st.sampled_from(SERVERS), min_size=1))
        targets.append(
            target(
                name,
                *sorted(members),
                rollout=draw(rollouts),
                when_offline=draw(st.sampled_from(WhenOffline)),
                after=tuple(sorted(before & {one.name for one in targets})),
            )
        )
    made = World(declaration=declaration(*targets, servers=tuple(map(server, SERVERS))))
    with renderer() as shared:
        states = draw(st.lists(st.sampled_from([State.SUCCEEDED, State.FAILED]), max_size=2))
        for state in states:
            made.apply(shared, made.plan(shared), state)
        for key in draw(st.sets(st.sampled_from(sorted(made.records)))) if made.records else ():
            del made.records[key]
    if draw(st.booleans()):
        made.declaration = wishing(made.declaration, "beta")
    gone = draw(st.sets(st.sampled_from(SERVERS), max_size=4))
    made.seen = {name: ServerSeen(server=name, at=NOW, reached=False) for name in gone}
    return made


def wishing(made: Declaration, channel: str) -> Declaration:
    targets = {n: replace(one, params={"channel": channel}) for n, one in made.targets.items()}
    return replace(made, targets=targets)


def runs(plan: Plan) -> set[tuple[str, str, Action]]:
    return {(one.target, one.server, one.action) for one in plan.changes if one.runs}


@law
@given(worlds(), st.sampled_from(TARGETS), GATED)
def test_a_gate_never_makes_a_plan_run_more(world: World, name: str, keys: dict[str, Any]) -> None:
    with renderer() as shared:
        before = runs(world.plan(shared))
        if name in world.declaration.targets:
            gated = replace(world.declaration.targets[name], **keys)
            targets = {**world.declaration.targets, name: gated}
            world.declaration = replace(world.declaration, targets=targets)
        assert runs(world.plan(shared)) <= before


@pytest.mark.sweep
@law
@given(worlds(), st.sets(st.sampled_from(SERVERS)), limits)
def test_the_limit_of_a_group_never_makes_a_plan_run_more(
    world: World, members: set[str], limit: Amount
) -> None:
    with renderer() as shared:
        before = runs(world.plan(shared))
        group = Group(name="g", servers=tuple(sorted(members)), max_unavailable=limit)
        inventory = replace(world.declaration.inventory, groups={"g": group})
        world.declaration = replace(world.declaration, inventory=inventory)
        plan = world.plan(shared)
        assert runs(plan) <= before
        for budget in plan.budgets:
            assert budget.servers == members
            assert budget.down <= members


@law
@given(worlds(), st.sets(st.sampled_from(sorted(map(str, OVERRIDABLE)))))
def test_an_override_never_makes_a_plan_run_less(world: World, names: set[str]) -> None:
    with renderer() as shared:
        overrides = dict.fromkeys(names, "it must be")
        assert runs(world.plan(shared)) <= runs(world.plan(shared, Policy(overrides=overrides)))


@law
@given(worlds())
def test_waves_hold_all_that_gets_a_job_once_and_no_more_than_declared(world: World) -> None:
    with renderer() as shared:
        plan = world.plan(shared)
    for name, order in plan.orders.items():
        working = [c for c in plan.changes if c.target == name and works(c, plan.orders)]
        assert len({change.server for change in working}) == len(working)
        numbers = sorted({change.wave for change in working})
        assert numbers == list(range(1, len(numbers) + 1))
        rollout = world.declaration.targets[name].rollout
        assert (order.max_failures is None) is (rollout is None)
        if rollout is None:
            assert numbers == [1]
            continue
        largest = max([rollout.canary, *(b.of(len(working), least=1) for b in rollout.batches)])
        for number in numbers if rollout.batches else ():
            assert sum(change.wave == number for change in working) <= largest
        if rollout.canary:
            assert sum(change.wave == 1 for change in working) <= rollout.canary
    shown = [change for change in plan.changes if change not in apply_set(plan)]
    assert all(change.wave == 1 for change in shown)


@law
@given(worlds(), st.randoms(use_true_random=False))
def test_no_order_of_declarations_or_servers_changes_a_plan(world: World, random: Any) -> None:
    with renderer() as shared:
        before = world.plan(shared)
        made = world.declaration
        mixed = list(made.targets.values())
        random.shuffle(mixed)
        servers = list(made.inventory.servers.values())
        random.shuffle(servers)
        world.declaration = replace(
            made,
            targets={one.name: one for one in mixed},
            inventory=replace(made.inventory, servers={one.name: one for one in servers}),
        )
        after = world.plan(shared)
    assert after.changes == before.changes
    assert after.digest == before.digest
    assert after.approvable == before.approvable
    assert after.orders == before.orders


@law
@given(worlds(), GATED)
def test_what_is_to_be_approved_does_not_hang_on_gates(world: World, keys: dict[str, Any]) -> None:
    with renderer() as shared:
        before = world.plan(shared).approvable
        targets = {n: replace(one, **keys) for n, one in world.declaration.targets.items()}
        world.declaration = replace(world.declaration, targets=targets)
        suspension = Suspension(target="alpha", reason="r", by="ops", at=NOW)
        policy = Policy(standing=Standing(suspensions={"alpha": suspension}))
        assert world.plan(shared, policy).approvable == before


@law
@given(worlds())
def test_a_saved_plan_runs_in_its_own_waves(world: World) -> None:
    with renderer() as shared:
        saved = load(dump(world.plan(shared)), NOW + timedelta(minutes=10))
        made = world.declaration
        plain = {n: replace(one, rollout=None) for n, one in made.targets.items()}
        world.declaration = replace(made, targets=plain)
        fresh = world.plan(shared)
    waves = {(c.target, c.server): c.wave for c in apply_set(saved)}
    taken = apply_set(fresh, saved=saved)
    assert all(waves[change.target, change.server] == change.wave for change in taken)
    ran = {(c.target, c.server) for c in fresh.changes if c.runs}
    assert {(c.target, c.server) for c in taken} >= ran & waves.keys()
