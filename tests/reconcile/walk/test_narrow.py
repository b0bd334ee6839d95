"""A decision about one target reads what is known of that target, and decides as if it had read everything."""

from dataclasses import replace
from pathlib import Path

from controller.model.plan import Action, Limit
from controller.model.scope import Scope
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.loop import targets
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import LOOP, walk, walk_narrow
from tests.reconcile.loop.small_world import SmallWorld, small_world

SERVERS = 12
TARGETS = "targets: {{a: {{servers: all, task: {0}}}, b: {{servers: all, task: x}}, c: {{servers: all, task: x}}, d: {{servers: all, task: x}}}}"
TASKS = "tasks: {x: {run: x}, y: {run: y}}\n"
GONE = (
    "targets: {b: {servers: all, task: x}, c: {servers: all, task: x}, d: {servers: all, task: x}}"
)


async def of(town: SmallWorld, name: str) -> Seen:
    """Begin a plan of one target."""
    generation = town.world.generation
    assert generation is not None
    return replace(
        generation.seen,
        request=PlanRequest(targets=(name,), refresh=False),
        by_hand=False,
        scope=Scope(targets=frozenset({name})),
    )


async def test_it_reads_only_what_is_known_of_its_target_and_plans_the_same(
    tmp_path: Path,
) -> None:
    async with small_world(tmp_path / "house") as town:
        await town.declare(TASKS + TARGETS.format("x"), servers=SERVERS)
        await town.house.apply()
        await town.declare(TASKS + TARGETS.format("y"), servers=SERVERS)
        rooms, begun = town.world.rooms, await of(town, "a")
        narrow, whole = await walk_narrow(rooms, begun, LOOP), await walk(rooms, begun, LOOP)
    assert {target for target, _ in narrow.records} == {"a"}
    assert {name for one in narrow.servers.values() for name in one.markers} == {"a"}
    assert len(whole.records) == 4 * SERVERS
    assert len(plan_of(narrow).changes) == SERVERS
    assert replace(plan_of(narrow), created_at=plan_of(whole).created_at) == replace(
        plan_of(whole), expires_at=plan_of(narrow).expires_at
    )


async def test_how_many_pairs_may_go_is_a_share_of_all_that_is_known(tmp_path: Path) -> None:
    async with small_world(tmp_path / "house") as town:
        await town.declare(TASKS + TARGETS.format("x"), servers=SERVERS)
        await town.house.apply()
        await town.declare(TASKS + GONE, servers=SERVERS)
        assert town.world.generation is not None
        seen = await targets.planned(town.world, town.world.generation, "a")
    assert seen is not None
    plan = plan_of(seen)
    assert [change.action for change in plan.changes] == [Action.FORGET] * SERVERS
    assert plan.excess == ()  # twelve of 48; of the target alone they would be all


async def test_a_commit_that_takes_most_targets_away_is_refused_for_each_of_them(
    tmp_path: Path,
) -> None:
    async with small_world(tmp_path / "house") as town:
        await town.declare(TASKS + TARGETS.format("x"), servers=4)
        await town.house.apply()
        await town.declare(TASKS + "targets: {d: {servers: all, task: x}}", servers=4)
        assert town.world.generation is not None
        for name in ("a", "b", "c"):  # four pairs each are no alarm
            seen = await targets.planned(town.world, town.world.generation, name)
            assert seen is not None
            assert [one.limit for one in plan_of(seen).excess] == [Limit.REMOVALS]


async def test_a_target_of_which_nothing_is_declared_or_known_is_not_planned(
    tmp_path: Path,
) -> None:
    async with small_world(tmp_path / "house") as town:
        await town.declare(TASKS + TARGETS.format("x"), servers=1)
        assert town.world.generation is not None
        assert await targets.planned(town.world, town.world.generation, "never") is None
