"""When a pair runs, and what a plan says of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.declaration.renderer import Renderer
from controller.errors import NotFoundError, Unreachable
from controller.model.applied import Applied
from controller.model.compared import Compared, Comparison
from controller.model.declaration import OnCommit, OnDrift, Repo
from controller.model.digest import input_digest
from controller.model.ids import Digest
from controller.model.job import State, Trigger
from controller.model.observation import CheckSeen, Holder, ServerSeen
from controller.model.plan import Action, Blocker, Cause, Gate
from controller.model.scope import Scope
from controller.model.work import DIGEST_FORMAT, Pair
from controller.planning import planner
from controller.planning.gates import ORDER
from controller.planning.inputs import Inputs, Observed, Policy
from tests.planning.delivered import CONF, edited, file, looked, work
from tests.planning.world import (
    NOW,
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

REPOS = (Repo(name="shop", url="https://git.example.com/shop.git"),)


def settled(renderer: Renderer, world: World) -> World:
    world.apply(renderer, world.plan(renderer))
    assert world.plan(renderer).changes == ()
    return world


def gone(name: str, cause: Unreachable = Unreachable.TCP) -> ServerSeen:
    return ServerSeen(server=name, at=NOW, reached=False, cause=cause, message="no route")


def test_a_pair_without_record_and_marker_is_added(renderer: Renderer) -> None:
    change = only(World(declaration=declaration(target("web", "web-1"))).plan(renderer))
    assert (change.action, change.before) == (Action.ADD, None)
    assert change.runs
    assert change.cause == Cause(file="pipelines/shop.yaml", line=2)
    assert change.commands == ("echo stable",)


def test_a_pair_whose_inputs_are_applied_is_in_sync(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1", "web-2"))))
    plan = world.plan(renderer)
    assert (plan.in_sync, plan.servers, plan.changes) == (2, 2, ())


def test_a_changed_parameter_is_named_with_file_and_line(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    world.declaration = declaration(target("web", "web-1", params={"channel": "beta"}))
    change = only(world.plan(renderer))
    assert change.action is Action.CHANGE
    assert change.inputs == ("params.channel", "steps.go.run")
    assert change.reason == "parameter channel changed, run of step go changed"
    assert change.cause == Cause(file="pipelines/shop.yaml", line=7)
    assert change.before == world.records["web", "web-1"].applied


def test_a_marker_alone_is_enough_to_name_what_changed(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    world.declaration = declaration(
        target("web", "web-1"), tasks=(task("deploy", step(run="echo other")),)
    )
    fresh = replace(world.observed(), records={})
    assert only(world.plan(renderer, observed=fresh)).inputs == ("steps.go.run",)


def test_a_new_and_a_vanished_input_are_told_apart(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    world.declaration = declaration(
        target("web", "web-1"), tasks=(task("deploy", step(workdir="/srv"), env={"A": "1"}),)
    )
    assert only(world.plan(renderer)).reason == ("environment A is new, workdir of step go is new")
    world.declaration = declaration(
        target("web", "web-1", params={}), tasks=(task("deploy", step(run="x")),)
    )
    assert "parameter channel is gone" in only(world.plan(renderer)).reason


def test_a_new_commit_runs_and_names_commit_and_author(renderer: Renderer) -> None:
    world = World(
        declaration=declaration(target("web", "web-1", repo="shop"), repos=REPOS),
        sources={"web": sourced(1)},
    )
    settled(renderer, world)
    world.sources = {"web": sourced(2)}
    change = only(world.plan(renderer))
    assert change.reason == f"new commit {revision(2).short} (was {revision(1).short})"
    assert change.cause == Cause(
        file="pipelines/shop.yaml", line=5, commit=revision(2).sha, author="author 2"
    )
    assert change.commit == revision(2).sha


def test_a_commit_outside_of_the_watched_paths_runs_nothing(renderer: Renderer) -> None:
    shop = target("web", "web-1", repo="shop", paths=("app/**",))
    tasks = (task("deploy", step(run="deploy {{ commit.sha }}\n")),)
    world = World(
        declaration=declaration(shop, repos=REPOS, tasks=tasks),
        sources={"web": sourced(1, watched=(("app/a", "x"),))},
    )
    settled(renderer, world)
    world.sources = {"web": sourced(2, watched=(("app/a", "x"),))}
    assert world.plan(renderer).changes == ()
    world.sources = {"web": sourced(3, watched=(("app/a", "y"),))}
    change = only(world.plan(renderer))
    assert change.inputs == ("source",)
    assert change.commands == (f"deploy {revision(3).sha}\n",)


def test_the_servers_marker_is_right_where_the_state_differs(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    observed = world.observed()
    stale = replace(world.records["web", "web-1"], applied=Digest("f" * 64))
    assert (
        world.plan(renderer, observed=replace(observed, records={("web", "web-1"): stale})).changes
        == ()
    )
    empty = {"web-1": ServerSeen(server="web-1", at=NOW, reached=True)}
    assert (
        only(world.plan(renderer, observed=replace(observed, servers=empty))).action is Action.ADD
    )


def test_without_a_look_the_newer_of_state_and_last_look_counts(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    before = world.observed(refreshed=False)
    world.apply(renderer, world.plan(renderer))
    now = replace(before, records=world.records)
    assert world.plan(renderer, observed=now).changes == ()
    later = {"web-1": replace(before.servers["web-1"], at=NOW + timedelta(hours=1))}
    assert only(world.plan(renderer, observed=replace(now, servers=later))).action is Action.ADD


@pytest.mark.parametrize("state", [State.FAILED, State.TIMED_OUT])
def test_the_digest_that_failed_last_is_held(renderer: Renderer, state: State) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    world.apply(renderer, world.plan(renderer), state)
    change = only(world.plan(renderer))
    assert change.blocked_by is not None
    assert change.blocked_by.gate is Gate.LAST_FAILED
    again = only(world.plan(renderer, Policy(retry=frozenset({("web", "web-1")}))))
    assert again.runs


@pytest.mark.parametrize("state", [State.CANCELLED, State.INTERRUPTED])
def test_what_was_cancelled_or_interrupted_runs_again(renderer: Renderer, state: State) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    world.apply(renderer, world.plan(renderer), state)
    assert only(world.plan(renderer)).runs


def test_going_back_after_a_failure_is_a_change_and_runs(renderer: Renderer) -> None:
    good = declaration(target("web", "web-1"))
    world = settled(renderer, World(declaration=good))
    world.declaration = declaration(target("web", "web-1", params={"channel": "bad"}))
    world.apply(renderer, world.plan(renderer), State.FAILED)
    world.declaration = good
    change = only(world.plan(renderer))
    assert change.runs
    assert change.action is Action.CHANGE
    assert change.reason == "run run1 of other inputs failed"


def test_a_lost_attempt_holds_every_digest(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    world.apply(renderer, world.plan(renderer), State.LOST)
    world.declaration = declaration(target("web", "web-1", params={"channel": "other"}))
    blocker = only(world.plan(renderer)).blocked_by
    assert blocker is not None
    assert blocker.gate is Gate.LOST
    assert "ctl jobs resolve" in (blocker.clear or "")


def test_ignore_is_shown_and_runs_only_when_named(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1", on_commit=OnCommit.IGNORE)))
    blocker = only(world.plan(renderer)).blocked_by
    assert blocker is not None
    assert blocker.gate is Gate.ON_COMMIT
    assert only(world.plan(renderer, Policy(scope=Scope(targets=frozenset({"web"}))))).runs


def test_on_commit_plan_runs_by_hand_and_waits_otherwise(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1", on_commit=OnCommit.PLAN)))
    assert only(world.plan(renderer)).runs
    assert not only(world.plan(renderer, Policy(by_hand=False))).runs


def drifting(renderer: Renderer, on_drift: OnDrift) -> tuple[World, Observed]:
    tasks = (task(check="test -e /srv"),)
    world = World(declaration=declaration(target("web", "web-1", on_drift=on_drift), tasks=tasks))
    settled(renderer, world)
    observed = world.observed()
    seen = observed.servers["web-1"]
    applied = world.records["web", "web-1"].applied
    assert applied is not None
    check = CheckSeen(digest=applied, exit_code=1, output="\nmissing\nmore", at=world.now)
    return world, replace(observed, servers={"web-1": replace(seen, checks={"web": check})})


def test_drift_is_reported_and_runs_nothing(renderer: Renderer) -> None:
    world, observed = drifting(renderer, OnDrift.REPORT)
    plan = world.plan(renderer, observed=observed)
    assert only(plan).drift == "check exited 1: missing"
    assert only(plan).action is Action.NONE
    assert plan.summary.drifted == 1
    assert not only(plan).runs


def test_drift_is_repaired_under_heal_or_the_heal_flag(renderer: Renderer) -> None:
    world, observed = drifting(renderer, OnDrift.HEAL)
    change = only(world.plan(renderer, observed=observed))
    assert (change.action, change.trigger, change.runs) == (Action.REPAIR, Trigger.DRIFT, True)
    world, observed = drifting(renderer, OnDrift.REPORT)
    assert only(world.plan(renderer, Policy(heal=True), observed)).action is Action.REPAIR
    world, observed = drifting(renderer, OnDrift.IGNORE)
    assert world.plan(renderer, Policy(heal=True), observed).changes == ()


def test_a_check_of_another_digest_or_before_the_run_is_no_drift(renderer: Renderer) -> None:
    world, observed = drifting(renderer, OnDrift.REPORT)
    seen = observed.servers["web-1"]
    check = seen.checks["web"]
    for odd in (
        replace(check, digest=Digest("f" * 64)),
        replace(check, at=NOW - timedelta(days=1)),
    ):
        view = replace(observed, servers={"web-1": replace(seen, checks={"web": odd})})
        assert world.plan(renderer, observed=view).changes == ()


def test_an_offline_server_with_a_record_is_planned_and_blocked(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    world.seen = {"web-1": gone("web-1")}
    resting = only(world.plan(renderer))
    assert resting.action is Action.NONE
    assert resting.reason == "in sync when it was last seen"
    assert resting.blocked_by is not None
    assert resting.blocked_by.gate is Gate.OFFLINE
    assert world.plan(renderer, observed=replace(world.observed(), refreshed=False)).changes == ()
    world.declaration = declaration(target("web", "web-1", params={"channel": "beta"}))
    change = only(world.plan(renderer))
    assert change.action is Action.CHANGE
    assert change.blocked_by is not None
    assert change.blocked_by.gate is Gate.OFFLINE
    assert change.blocked_by.message == "no route (tcp)"


def test_an_offline_server_without_a_record_is_unknown(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")), seen={"web-1": gone("web-1")})
    plan = world.plan(renderer)
    assert only(plan).unknown
    assert plan.summary.unknown == 1
    assert not only(plan).runs


def test_where_nobody_looked_a_pair_is_unknown_unless_records_are_complete(
    renderer: Renderer,
) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    assert only(world.plan(renderer, observed=Observed(refreshed=False))).unknown
    complete = Observed(refreshed=False, complete=True)
    assert only(world.plan(renderer, observed=complete)).action is Action.ADD


def test_an_untrusted_host_key_is_cleared_by_trust(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    world.seen = {"web-1": gone("web-1", Unreachable.HOST_KEY)}
    world.declaration = declaration(target("web", "web-1", params={"channel": "beta"}))
    blocker = only(world.plan(renderer)).blocked_by
    assert blocker is not None
    assert blocker.clear == "ctl trust web-1"


def test_inactive_servers_and_repos_hold_and_never_forget(renderer: Renderer) -> None:
    shop = target("web", "web-1", repo="shop")
    world = World(declaration=declaration(shop, repos=REPOS), sources={"web": sourced(1)})
    settled(renderer, world)
    off = (server("web-1", active=False),)
    world.sources = {"web": sourced(2)}
    world.declaration = declaration(shop, servers=off, repos=REPOS)
    first = only(world.plan(renderer))
    world.declaration = declaration(shop, repos=(replace(REPOS[0], active=False),))
    second = only(world.plan(renderer))
    for change in (first, second):
        assert change.action is Action.CHANGE
        assert change.blocked_by is not None
        assert change.blocked_by.gate is Gate.INACTIVE


def test_what_the_controller_may_not_touch_names_the_flag_that_lets_it(renderer: Renderer) -> None:
    flag = "ctl serve --allow env,local"
    off = (replace(server("web-1", active=False), needs_flag=flag),)
    world = World(declaration=declaration(target("web", "web-1"), servers=off))
    blocker = only(world.plan(renderer)).blocked_by
    assert blocker is not None
    assert (blocker.gate, blocker.clear) == (Gate.INACTIVE, flag)
    assert "may not be touched by this controller" in blocker.message


def test_a_refused_source_blocks_every_pair_of_its_targets(renderer: Renderer) -> None:
    world = World(
        declaration=declaration(target("web", "web-1", repo="shop"), repos=REPOS),
        inputs=Inputs(
            blocked_sources={"shop": Blocker(gate=Gate.SOURCE, message="history was rewound")}
        ),
    )
    change = only(world.plan(renderer))
    assert change.action is Action.NONE
    assert change.blocked_by is not None
    assert change.blocked_by.gate is Gate.SOURCE
    world.sources = {"web": sourced(1)}
    assert only(world.plan(renderer)).blocked_by == change.blocked_by


def test_a_held_target_is_blocked_by_its_lock(renderer: Renderer) -> None:
    holder = Holder(run="r1", who="ops@laptop", controller="c", boot_id="b", since=NOW)
    seen = ServerSeen(server="web-1", at=NOW, reached=True, locks={"web": holder})
    world = World(declaration=declaration(target("web", "web-1")), seen={"web-1": seen})
    blocker = only(world.plan(renderer)).blocked_by
    assert blocker is not None
    assert blocker.gate is Gate.LOCK
    assert blocker.message.startswith("locked by ops@laptop since 12:00")


def with_secret(renderer: Renderer, comparison: Comparison, reason: str = "") -> World:
    places = {"": place(18), "secrets.DB": place(30)}
    tasks = (task(secrets={"DB": "db-password"}, places=places),)
    world = World(declaration=declaration(target("web", "web-1"), tasks=tasks))
    settled(renderer, world)
    compared = Compared(comparison=comparison, reason=reason)
    world.inputs = Inputs(secrets={("web", "web-1"): {"db-password": compared}})
    return world


def test_a_secret_with_another_value_is_a_change_at_its_key(renderer: Renderer) -> None:
    change = only(with_secret(renderer, Comparison.CHANGED).plan(renderer))
    assert change.reason == "secret db-password has another value"
    assert change.cause == Cause(file="pipelines/shop.yaml", line=30)
    assert change.runs


def test_a_secret_that_cannot_be_read_is_a_note_and_nothing_more(renderer: Renderer) -> None:
    world = with_secret(renderer, Comparison.UNREADABLE, "env DB is not set")
    plan = world.plan(renderer)
    assert only(plan).notes == ("db-password not compared (env DB is not set)",)
    assert only(plan).action is Action.NONE
    assert plan.in_sync == 1
    assert with_secret(renderer, Comparison.SAME).plan(renderer).changes == ()


def test_an_older_format_is_compared_in_that_format(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    (pair,) = world.pairs(renderer)
    digests = {name: one.digest for name, one in pair.work.inputs.items()}
    old = input_digest(digests, version=DIGEST_FORMAT - 1)
    key = ("web", "web-1")
    world.records[key] = replace(world.records[key], format=DIGEST_FORMAT - 1, applied=old)
    assert world.plan(renderer).changes == ()
    world.records[key] = replace(world.records[key], format=DIGEST_FORMAT + 1)
    assert only(world.plan(renderer)).unknown


def test_what_is_no_longer_declared_is_forgotten(renderer: Renderer) -> None:
    both = declaration(target("web", "web-1", "web-2"), target("old", "web-1"))
    world = settled(renderer, World(declaration=both))
    world.declaration = declaration(
        target("web", "web-1"), servers=(server("web-1"), server("web-2"))
    )
    plan = world.plan(renderer)
    reasons = {(c.target, c.server): (c.action, c.reason) for c in plan.changes}
    assert reasons == {
        ("old", "web-1"): (Action.FORGET, "target old is no longer declared"),
        ("web", "web-2"): (Action.FORGET, "target web no longer picks the server"),
    }
    assert plan.summary.remove == 2
    world.apply(renderer, plan)
    assert world.plan(renderer).changes == ()


def test_a_marker_nobody_declared_is_forgotten_by_a_fresh_state(renderer: Renderer) -> None:
    world = settled(
        renderer, World(declaration=declaration(target("web", "web-1"), target("old", "web-1")))
    )
    world.declaration = declaration(target("web", "web-1"))
    fresh = replace(world.observed(), records={})
    assert only(world.plan(renderer, observed=fresh)).action is Action.FORGET


def test_nothing_is_forgotten_on_a_server_that_does_not_answer(renderer: Renderer) -> None:
    world = settled(
        renderer, World(declaration=declaration(target("web", "web-1"), target("old", "web-1")))
    )
    world.declaration = declaration(target("web", "web-1"))
    world.seen = {"web-1": gone("web-1")}
    found = {change.target: change for change in world.plan(renderer).changes}
    assert found["old"].action is Action.FORGET
    assert not found["old"].runs
    assert not found["web"].runs


def test_nothing_outside_of_the_scope_is_forgotten(renderer: Renderer) -> None:
    world = settled(
        renderer, World(declaration=declaration(target("web", "web-1"), target("old", "web-1")))
    )
    world.declaration = declaration(target("web", "web-1"))
    scope = Scope(targets=frozenset({"web"}))
    assert world.plan(renderer, Policy(scope=scope)).changes == ()
    elsewhere = Scope(servers=frozenset({"web-9"}))
    assert world.plan(renderer, Policy(scope=elsewhere)).changes == ()


def test_full_shows_pairs_in_sync_without_counting_them(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    plan = world.plan(renderer, Policy(full=True))
    assert (only(plan).action, plan.in_sync) == (Action.NONE, 1)


def test_a_retry_of_a_pair_in_sync_is_a_run(renderer: Renderer) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1"))))
    plan = world.plan(renderer, Policy(retry=frozenset({("web", "web-1")})))
    assert (only(plan).action, plan.summary.run) == (Action.RUN, 1)


def test_the_plan_digest_is_over_what_apply_would_do_only(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    plan = world.plan(renderer)
    moved = declaration(target("web", "web-1", line=40))
    assert World(declaration=moved).plan(renderer).digest == plan.digest
    other = declaration(target("web", "web-1", params={"channel": "beta"}))
    assert World(declaration=other).plan(renderer).digest != plan.digest


def test_changes_come_in_order_of_target_and_number(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("b", "web-10", "web-2"), target("a", "web-1")))
    names = [(c.target, c.server) for c in world.plan(renderer).changes]
    assert names == [("a", "web-1"), ("b", "web-2"), ("b", "web-10")]


def test_why_asks_every_gate_in_order(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1", on_commit=OnCommit.IGNORE)))
    inputs = Inputs(pairs=world.pairs(renderer))
    found = planner.why(
        world.declaration, inputs, world.observed(), Policy(), ("web", "web-1"), NOW
    )
    assert [one.gate for one in found] == [gate for gate, _, _ in ORDER]
    assert [one.gate for one in found if not one.passed] == [Gate.ON_COMMIT]
    for pair in (("nope", "web-1"), ("web", "nope")):
        with pytest.raises(NotFoundError):
            planner.why(world.declaration, inputs, world.observed(), Policy(), pair, NOW)


def test_a_record_that_only_says_who_it_is_for_is_no_record(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    world.records["web", "web-1"] = Applied(target="web", server="web-1")
    assert only(world.plan(renderer)).action is Action.ADD


def test_a_change_tells_files_and_an_earlier_name(renderer: Renderer) -> None:
    conf = file()
    made = work(conf)
    seen = looked(made, {CONF: edited(conf, b"port = 81\n")})
    world = World(declaration=declaration(target("web", "web-1", was="shop")))
    inputs = Inputs(pairs=(Pair(target="web", server="web-1", work=made),))
    marker = seen.markers["web"]
    seen = replace(seen, markers={"shop": marker}, deliveries={"shop": seen.deliveries["web"]})
    observed = Observed(records={}, servers={"web-1": seen})
    change = only(planner.plan(world.declaration, inputs, observed, Policy(), NOW))
    assert [one.path for one in change.files] == [CONF]
    assert change.was == ("shop", "web-1")
