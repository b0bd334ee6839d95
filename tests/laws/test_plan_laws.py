"""Laws of the planner, over small worlds of every shape."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings, strategies as st

from controller.declaration.renderer import Renderer
from controller.model.declaration import Declaration, OnCommit, OnDrift, Repo, Target
from controller.model.job import State
from controller.model.plan import Action, Change, Plan
from controller.model.scope import Scope
from controller.model.task import Task
from controller.planning.attribution import candidates
from controller.planning.inputs import Policy
from controller.planning.saved import dump, load
from controller.planning.stale import first_difference
from tests.planning.world import (
    World,
    declaration,
    place,
    server,
    sourced,
    step,
    target,
    task,
)

SERVERS = ("web-1", "web-2", "web-3")
TARGETS = ("alpha", "beta", "gamma")
TASKS = ("deploy", "backup")
RUNS = (
    "echo plain",
    "echo {{ params.channel }}",
    "echo {{ server.name }} {{ vars.env }}",
    "echo {{ target.name }}\n",
)
REPOS = (Repo(name="shop", url="https://git.example.com/shop.git"),)

tasks_drawn = st.builds(
    lambda runs, env: tuple(
        task(name, step("one", first), step("two", second, needs=("one",)), env=env)
        for name, (first, second) in zip(TASKS, runs, strict=True)
    ),
    st.tuples(*[st.tuples(st.sampled_from(RUNS), st.sampled_from(RUNS))] * len(TASKS)),
    st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(RUNS), max_size=2),
)


@st.composite
def targets_drawn(draw: st.DrawFn) -> tuple[Target, ...]:
    names = draw(st.lists(st.sampled_from(TARGETS), unique=True, max_size=3))
    made = []
    for line, name in enumerate(names):
        members = sorted(draw(st.sets(st.sampled_from(SERVERS), min_size=1)))
        made.append(
            target(
                name,
                *members,
                line=2 + 8 * line,
                task=draw(st.sampled_from(TASKS)),
                repo=draw(st.sampled_from([None, "shop"])),
                paths=draw(st.sampled_from([(), ("app/**",)])),
                params={"channel": draw(st.sampled_from(["stable", "beta {{ vars.env }}"]))},
                on_commit=draw(st.sampled_from([OnCommit.APPLY, OnCommit.PLAN])),
                on_drift=draw(st.sampled_from(list(OnDrift))),
            )
        )
    return tuple(made)


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    machines = tuple(server(name, vars={"env": draw(st.sampled_from("ab"))}) for name in SERVERS)
    return declaration(
        *draw(targets_drawn()), servers=machines, tasks=draw(tasks_drawn), repos=REPOS
    )


def sources(made: Declaration, number: int, blob: str = "x") -> dict[str, object]:
    watched = (("app/main", blob),)
    return {
        name: sourced(number, watched=watched if one.paths else None)
        for name, one in made.targets.items()
        if one.repo is not None
    }


def world(made: Declaration, number: int = 1) -> World:
    return World(declaration=made, sources=sources(made, number))  # type: ignore[arg-type]


def move(before: World, made: Declaration, number: int = 1) -> None:
    before.declaration = made
    before.sources = sources(made, number)  # type: ignore[assignment]


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


def told(change: Change) -> tuple[object, ...]:
    return (change.target, change.server, change.action, change.after, change.before)


def does(plan: Plan) -> set[tuple[object, ...]]:
    return {told(change) for change in plan.changes if change.runs}


@law
@given(declarations(), declarations(), st.integers(1, 2))
def test_the_plan_after_an_apply_is_empty(
    first: Declaration, second: Declaration, number: int
) -> None:
    with renderer() as child:
        one = world(first)
        one.apply(child, one.plan(child))
        assert one.plan(child).changes == ()
        move(one, second, number)
        one.apply(child, one.plan(child))
        assert one.plan(child).changes == ()
        fresh = replace(one.observed(), records={})
        assert one.plan(child, observed=fresh).changes == ()
        unseen = replace(one.observed(refreshed=False), servers={})
        assert one.plan(child, observed=unseen).changes == ()


def turned(made: Declaration) -> Declaration:
    tasks: dict[str, Task] = {
        name: replace(one, env=dict(reversed(list(one.env.items()))))
        for name, one in reversed(list(made.tasks.items()))
    }
    return replace(
        made,
        tasks=tasks,
        targets=dict(reversed(list(made.targets.items()))),
        inventory=replace(
            made.inventory, servers=dict(reversed(list(made.inventory.servers.items())))
        ),
    )


@law
@given(declarations())
def test_the_order_of_declarations_does_not_matter(made: Declaration) -> None:
    with renderer() as child:
        assert world(made).plan(child) == world(turned(made)).plan(child)


@law
@given(declarations())
def test_a_commit_that_changes_no_input_runs_nothing(made: Declaration) -> None:
    with renderer() as child:
        one = world(made)
        one.apply(child, one.plan(child))
        move(one, made, number=2)
        watching = {name for name, t in made.targets.items() if t.paths or t.repo is None}
        plan = one.plan(child)
        assert not {change.target for change in plan.changes} & watching
        for change in plan.changes:
            assert change.inputs == ("source",)


@law
@given(declarations())
def test_moving_declarations_to_other_lines_runs_nothing(made: Declaration) -> None:
    with renderer() as child:
        one = world(made)
        one.apply(child, one.plan(child))
        moved = {
            name: replace(t, places={key: place(500, "pipelines/other.yaml") for key in t.places})
            for name, t in made.targets.items()
        }
        move(one, replace(made, targets=moved))
        assert one.plan(child).changes == ()


@law
@given(declarations(), declarations())
def test_every_change_has_a_reason_and_a_cause(first: Declaration, second: Declaration) -> None:
    with renderer() as child:
        one = world(first)
        one.inputs = replace(one.inputs, commit=sourced(5).revision.sha)
        one.apply(child, one.plan(child))
        move(one, second, number=2)
        plan = one.plan(child)
        found = candidates(plan, one.declaration, one.pairs(child))
        for change in plan.changes:
            key = (change.target, change.server)
            assert change.reason
            # A commit, lines to ask git about, or the name of what is gone: git always has a question to answer.
            assert change.cause.commit or key in found.lines or found.gone.get(key)
            if change.action is Action.CHANGE:
                assert change.inputs


@law
@given(declarations(), declarations(), st.sampled_from(list(State)))
def test_what_is_not_declared_never_runs(
    first: Declaration, second: Declaration, ended: State
) -> None:
    with renderer() as child:
        one = world(first)
        one.apply(child, one.plan(child), ended)
        move(one, second)
        for change in one.plan(child).changes:
            declared = second.targets.get(change.target)
            if declared is None or change.server not in declared.members:
                assert change.action is Action.FORGET


@law
@given(
    declarations(),
    declarations(),
    st.sets(st.sampled_from(SERVERS)),
    st.sets(st.sampled_from(TARGETS)),
)
def test_a_smaller_scope_is_the_same_plan_cut_down(
    first: Declaration, second: Declaration, servers: set[str], targets: set[str]
) -> None:
    with renderer() as child:
        one = world(first)
        one.apply(child, one.plan(child))
        move(one, second, number=2)
        whole = one.plan(child)
        scope = Scope(servers=frozenset(servers), targets=frozenset(targets))
        part = one.plan(child, Policy(scope=scope))
        assert does(part) == {
            told(change)
            for change in whole.changes
            if change.runs and change.server in servers and change.target in targets
        }


@law
@given(declarations(), declarations(), st.integers(0, 23))
def test_a_saved_plan_of_an_unchanged_world_is_never_stale(
    first: Declaration, second: Declaration, hours: int
) -> None:
    with renderer() as child:
        one = world(first)
        one.apply(child, one.plan(child))
        move(one, second, number=2)
        saved = one.plan(child)
        one.now += timedelta(hours=hours)
        back = load(dump(saved), one.now)
        fresh = one.plan(child)
        assert first_difference(back, fresh) is None
        assert back.digest == fresh.digest
        assert does(back) == does(fresh)


@law
@given(declarations(), st.sampled_from([State.FAILED, State.TIMED_OUT, State.LOST]))
def test_what_failed_is_held_until_something_changes(made: Declaration, ended: State) -> None:
    with renderer() as child:
        one = world(made)
        one.apply(child, one.plan(child), ended)
        assert does(one.plan(child)) == set()
