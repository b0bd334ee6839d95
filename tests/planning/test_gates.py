"""Every gate: when it holds a pair back, what it says, what clears it, and what passes over it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.declaration.renderer import Renderer
from controller.errors import Unreachable
from controller.model.amount import Amount
from controller.model.applied import Tried
from controller.model.declaration import OnDrift, OnRemove, Repo, Settings
from controller.model.ids import Digest, RunId
from controller.model.inventory import Group
from controller.model.job import State
from controller.model.observation import CheckSeen, ServerSeen
from controller.model.plan import OVERRIDABLE, Action, Gate, Plan
from controller.model.rollout import ApprovalRule, Rollout, Suspended, Window
from controller.model.standing import Approval, Pin, Standing, Suspension
from controller.planning import planner
from controller.planning.gates import ORDER, GateResult
from controller.planning.inputs import Inputs, Policy
from tests.planning.world import (
    NOW,
    World,
    declaration,
    only,
    place,
    revision,
    server,
    sourced,
    target,
)

SOON, BEFORE = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
CLOSED = (Window(allow="0 3 * * *", seconds=3600.0),)
OPEN = (Window(allow="0 11 * * *", seconds=7200.0),)
WEB = ("web", "web-1")


def suspension(**more: object) -> Standing:
    made = Suspension(target="web", reason="audit", by="ops@desk", at=BEFORE)
    return Standing(suspensions={"web": replace(made, **more)})  # type: ignore[arg-type]


def one(**keys: Any) -> World:
    return World(declaration=declaration(target("web", "web-1", **keys)))


def settled(renderer: Renderer, world: World) -> World:
    world.apply(renderer, world.plan(renderer))
    assert world.plan(renderer).changes == ()
    return world


def asked_again(renderer: Renderer, world: World, policy: Policy) -> Plan:
    """Plan a pair that is in sync, and that a person wants to run again."""
    return world.plan(renderer, replace(policy, retry=frozenset({WEB})))


def held_by(plan: Plan) -> Gate | None:
    blocker = only(plan).blocked_by
    return None if blocker is None else blocker.gate


def why(
    renderer: Renderer, world: World, policy: Policy, pair: tuple[str, str] = WEB
) -> dict[Gate, GateResult]:
    inputs = replace(world.inputs, pairs=world.pairs(renderer))
    found = planner.why(world.declaration, inputs, world.observed(), policy, pair, world.now)
    return {result.gate: result for result in found}


def test_the_gates_are_asked_in_the_order_of_their_names() -> None:
    assert [gate for gate, _, _ in ORDER] == list(Gate)


@pytest.mark.parametrize(
    ("declared", "standing", "message", "clear"),
    [
        (None, suspension(), "suspended by ops@desk: audit", "ctl resume web"),
        (
            None,
            suspension(until=SOON),
            "suspended by ops@desk until 2026-03-01 13:00 UTC: audit",
            "ctl resume web",
        ),
        (
            Suspended(reason="freeze", until=SOON),
            Standing(),
            "suspended in its declaration until 2026-03-01 13:00 UTC: freeze (pipelines/shop.yaml:9)",
            "remove suspended from target web",
        ),
    ],
)
def test_a_suspended_target_waits(
    renderer: Renderer, declared: Suspended | None, standing: Standing, message: str, clear: str
) -> None:
    world = one(suspended=declared, places={"": place(2), "suspended": place(9)})
    blocker = only(world.plan(renderer, Policy(standing=standing))).blocked_by
    assert blocker is not None
    assert (blocker.gate, blocker.message, blocker.clear) == (Gate.SUSPENDED, message, clear)


def test_a_suspension_ends_at_its_time_and_holds_one_target(renderer: Renderer) -> None:
    over = one(suspended=Suspended(reason="freeze", until=NOW))
    assert held_by(over.plan(renderer, Policy(standing=suspension(until=NOW)))) is None
    elsewhere = Standing(suspensions={"db": suspension().suspensions["web"]})
    assert held_by(one().plan(renderer, Policy(standing=elsewhere))) is None


def test_a_closed_window_holds_whatever_the_cause(renderer: Renderer) -> None:
    world = one(windows=CLOSED, on_drift=OnDrift.HEAL)
    blocker = only(world.plan(renderer)).blocked_by
    assert blocker is not None
    assert blocker.message == "closed: opens Mon 2026-03-02 03:00 UTC"
    world.declaration = one(on_drift=OnDrift.HEAL).declaration
    settled(renderer, world)
    world.declaration = one(windows=CLOSED, on_drift=OnDrift.HEAL).declaration
    assert world.plan(renderer).changes == (), "what is in sync waits for nothing"
    assert held_by(asked_again(renderer, world, Policy())) is Gate.WINDOW
    applied = world.records[WEB].applied
    assert applied is not None
    drift = CheckSeen(digest=applied, exit_code=1, at=world.now)
    seen = world.observed().servers["web-1"]
    world.seen = {"web-1": replace(seen, checks={"web": drift})}
    plan = world.plan(renderer)
    assert (only(plan).action, held_by(plan)) == (Action.REPAIR, Gate.WINDOW)
    world.declaration = one(windows=OPEN, on_drift=OnDrift.HEAL).declaration
    assert only(world.plan(renderer)).runs


def approved(plan: Plan, **more: object) -> Standing:
    made = Approval(target="web", digest=plan.approvable["web"], by="ops@desk", at=BEFORE)
    return Standing(approvals=(replace(made, **more),))  # type: ignore[arg-type]


def test_an_approval_opens_the_gate_for_exactly_what_it_saw(renderer: Renderer) -> None:
    rule = ApprovalRule(required=1)
    world = one(approval=rule)
    plan = world.plan(renderer)
    blocker = only(plan).blocked_by
    assert blocker is not None
    assert blocker.message == f"0 of 1 approvals for plan {plan.approvable['web'][:8]}"
    assert (blocker.gate, blocker.clear) == (Gate.APPROVAL, "ctl approve web")
    policy = Policy(standing=approved(plan))
    assert only(world.plan(renderer, policy)).runs
    world.declaration = one(approval=rule, params={"channel": "beta"}).declaration
    assert held_by(world.plan(renderer, policy)) is Gate.APPROVAL


def test_only_approvers_count_where_some_are_named(renderer: Renderer) -> None:
    world = one(approval=ApprovalRule())
    settings = Settings(approvers=("lead@desk",))
    world.declaration = replace(world.declaration, settings=settings)
    plan = world.plan(renderer)
    assert held_by(world.plan(renderer, Policy(standing=approved(plan)))) is Gate.APPROVAL
    standing = approved(plan, by="lead@desk")
    assert held_by(world.plan(renderer, Policy(standing=standing))) is None


def test_the_author_of_the_commit_is_no_approver(renderer: Renderer) -> None:
    rule = ApprovalRule(not_author=True)
    repos = (Repo(name="shop", url="https://git.example.com/shop.git"),)
    world = World(
        declaration=declaration(target("web", "web-1", repo="shop", approval=rule), repos=repos),
        sources={"web": sourced(1)},
        inputs=Inputs(author="Config Author"),
    )
    plan = world.plan(renderer)
    for author in ("author 1", "author@example.com", "author@desk", "config author"):
        policy = Policy(standing=approved(plan, by=author))
        blocker = only(world.plan(renderer, policy)).blocked_by
        assert blocker is not None, author
        assert f"that of {author} does not count" in blocker.message
    assert only(world.plan(renderer, Policy(standing=approved(plan, by="author2@desk")))).runs


def test_a_commit_that_was_rolled_back_is_not_run_again(renderer: Renderer) -> None:
    repos = (Repo(name="shop", url="https://git.example.com/shop.git"),)
    shop = declaration(target("web", "web-1", repo="shop"), repos=repos)
    world = World(declaration=shop, sources={"web": sourced(2)})
    pin = Pin(
        target="web",
        repo="shop",
        commit=revision(1).sha,
        bad=revision(2).sha,
        files=(),
        reason="it broke",
        by="ops@desk",
        at=BEFORE,
    )
    policy = Policy(standing=Standing(pins={"web": pin}))
    blocker = only(world.plan(renderer, policy)).blocked_by
    assert blocker is not None
    assert blocker.gate is Gate.QUARANTINE
    assert blocker.message == "commit 0000002 was rolled back by ops@desk: it broke"
    over = Policy(standing=Standing(pins={"web": replace(pin, until=NOW)}))
    assert held_by(world.plan(renderer, over)) is None
    world.sources = {"web": sourced(3)}
    assert held_by(world.plan(renderer, policy)) is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"protect": True}, "it was applied with protect: true"),
        ({"on_remove": OnRemove.BLOCK}, "it was applied with on_remove: block"),
    ],
)
def test_what_was_applied_as_protected_stays(
    renderer: Renderer, keys: Mapping[str, object], said: str
) -> None:
    world = settled(
        renderer, World(declaration=declaration(target("web", "web-1"), target("db", "web-1")))
    )
    world.records[WEB] = replace(world.records[WEB], **keys)  # type: ignore[arg-type]
    assert world.plan(renderer).changes == ()
    world.declaration = declaration(target("db", "web-1"))
    change = only(world.plan(renderer))
    assert change.blocked_by is not None
    assert change.blocked_by.gate is Gate.PROTECT
    assert change.blocked_by.message.startswith(said)
    assert not change.runs
    assert only(world.plan(renderer, Policy(overrides={"protect": "moved"}))).runs


def test_removal_waits_for_windows_and_suspensions_and_not_for_what_comes_before(
    renderer: Renderer,
) -> None:
    both = target("web", "web-1", "web-2"), target("db", "web-1")
    world = settled(renderer, World(declaration=declaration(*both)))
    servers = (server("web-1"), server("web-2"))
    left = declaration(target("web", "web-1", windows=CLOSED), target("db", "web-1"))
    world.declaration = replace(left, inventory=declaration(servers=servers).inventory)
    assert held_by(world.plan(renderer)) is Gate.WINDOW
    assert held_by(world.plan(renderer, Policy(standing=suspension()))) is Gate.SUSPENDED
    broken = target("db", "web-1", suspended=Suspended(reason="r"), params={"channel": "beta"})
    world.declaration = declaration(target("web", "web-1", after=("db",)), broken, servers=servers)
    found = {change.target: change for change in world.plan(renderer).changes}
    assert found["db"].blocked_by is not None
    assert (found["web"].action, found["web"].runs) == (Action.FORGET, True)


def dependent(**keys: Any) -> World:
    return World(
        declaration=declaration(
            target("db", "db-1", "db-2", **keys), target("web", "web-1", after=("db",))
        )
    )


def test_what_comes_before_may_get_there_by_the_same_plan(renderer: Renderer) -> None:
    assert all(change.runs for change in dependent().plan(renderer).changes)


def test_a_target_waits_for_one_that_stays_behind(renderer: Renderer) -> None:
    world = dependent(suspended=Suspended(reason="r"))
    blocked = {change.target: change.blocked_by for change in world.plan(renderer).changes}
    assert blocked["web"] is not None
    assert blocked["web"].gate is Gate.DEPENDENCY
    assert blocked["web"].message == (
        "target db comes before and is not in sync on db-1: held by suspended"
    )
    assert blocked["web"].clear == "ctl why db db-1"


def test_waiting_is_handed_on(renderer: Renderer) -> None:
    made = dependent(suspended=Suspended(reason="r")).declaration
    targets = (*made.targets.values(), target("ui", "ui-1", after=("web",)))
    world = World(declaration=declaration(*targets))
    blocked = {change.target: change.blocked_by for change in world.plan(renderer).changes}
    assert blocked["ui"] is not None
    assert blocked["ui"].message.endswith("not in sync on web-1: held by dependency")


def test_a_server_of_what_comes_before_that_was_never_reached_is_not_in_sync(
    renderer: Renderer,
) -> None:
    world = dependent()
    world.seen = {"db-2": ServerSeen(server="db-2", at=NOW, reached=False)}
    found = {(c.target, c.server): c for c in world.plan(renderer).changes}
    assert found["db", "db-1"].runs
    assert found["db", "db-2"].unknown
    assert found["web", "web-1"].blocked_by is not None


def grouped(limit: Amount, *servers: str, members: tuple[str, ...] = ()) -> World:
    made = declaration(target("web", *servers))
    groups = {
        "fleet": Group(name="fleet", children=("shop",), max_unavailable=limit),
        "shop": Group(name="shop", servers=members or servers),
    }
    return World(declaration=replace(made, inventory=replace(made.inventory, groups=groups)))


def away(*names: str) -> dict[str, ServerSeen]:
    return {
        name: ServerSeen(server=name, at=NOW, reached=False, cause=Unreachable.TCP)
        for name in names
    }


def test_a_group_that_lacks_its_share_loses_no_more(renderer: Renderer) -> None:
    names = tuple(f"web-{number}" for number in range(1, 6))
    world = grouped(Amount(number=40, percent=True), *names)
    world.seen = away("web-2")
    assert sum(change.runs for change in world.plan(renderer).changes) == 4
    world.seen = away("web-2", "web-4")
    found = {change.server: change for change in world.plan(renderer).changes}
    assert not any(change.runs for change in found.values())
    blocker = found["web-1"].blocked_by
    assert blocker is not None
    assert blocker.gate is Gate.BUDGET
    assert blocker.message == (
        "group fleet may lack 2 of 5 servers, and lacks 2: web-2 (not reached), web-4 (not reached)"
    )
    assert blocker.clear == "ctl check server web-2"


@pytest.mark.parametrize(
    ("limit", "gone", "said"),
    [
        (0, 0, "may lack 0 of 6 servers, and lacks none"),
        (1, 2, "lacks 2: web-1 (not reached), web-2 (not reached)"),
        (1, 5, "web-3 (not reached) and 2 more"),
    ],
)
def test_a_group_names_some_of_what_it_lacks(
    renderer: Renderer, limit: int, gone: int, said: str
) -> None:
    names = tuple(f"web-{number}" for number in range(1, 7))
    world = grouped(Amount(number=limit), *names)
    world.seen = away(*names[:gone])
    blocker = world.plan(renderer).changes[-1].blocked_by
    assert blocker is not None
    assert said in blocker.message


def test_a_server_whose_last_try_failed_counts_and_may_be_mended_itself(
    renderer: Renderer,
) -> None:
    world = settled(renderer, grouped(Amount(number=1), "web-1", "web-2", "web-3"))
    tried = Tried(digest=Digest("f" * 64), run=RunId("r1"), at=NOW, state=State.FAILED)
    key = ("web", "web-2")
    world.records[key] = replace(world.records[key], tried=tried)
    assert [change.server for change in world.plan(renderer).changes if change.runs] == ["web-2"]
    world.declaration = replace(
        grouped(Amount(number=1), "web-1", "web-2", "web-3").declaration,
        targets={
            "web": target("web", "web-1", "web-2", "web-3", params={"channel": "beta"}),
        },
    )
    held = {change.server: change.blocked_by for change in world.plan(renderer).changes}
    assert held["web-2"] is None
    assert held["web-1"] is not None
    assert "web-2 (its last try failed)" in held["web-1"].message
    assert held["web-1"].clear == "ctl apply --override budget --reason TEXT"


def halted(renderer: Renderer, limit: Amount) -> World:
    """A rollout over ten servers that failed on the first two."""
    names = tuple(f"web-{number}" for number in range(1, 11))
    world = World(
        declaration=declaration(target("web", *names, rollout=Rollout(max_failures=limit)))
    )
    digests = {pair.server: pair.work.digest for pair in world.pairs(renderer)}
    world.apply(renderer, world.plan(renderer), State.FAILED)
    for name in names[2:]:
        del world.records["web", name]
    assert len(set(digests.values())) == 1
    return world


@pytest.mark.parametrize(
    ("limit", "stands"),
    [
        (Amount(number=0), True),
        (Amount(number=1), True),
        (Amount(number=2), False),
        (Amount(number=10, percent=True), True),
        (Amount(number=20, percent=True), False),
    ],
)
def test_a_halted_rollout_stays_halted(renderer: Renderer, limit: Amount, *, stands: bool) -> None:
    world = halted(renderer, limit)
    found = {change.server: change.blocked_by for change in world.plan(renderer).changes}
    first, last = found["web-1"], found["web-10"]
    assert first is not None
    assert first.gate is Gate.LAST_FAILED
    if not stands:
        assert last is None
        return
    assert last is not None
    assert last.gate is Gate.BUDGET
    assert last.message == (
        f"rollout halted in run run1: it failed on 2 servers, max_failures is {limit}"
    )
    assert last.clear == "ctl apply --resume run1"


def test_a_halted_rollout_goes_on_when_resumed_or_when_an_input_changes(renderer: Renderer) -> None:
    world = halted(renderer, Amount(number=0))
    again = frozenset({("web", "web-1"), ("web", "web-2")})
    policy = Policy(resuming=frozenset({"web"}), retry=again)
    plan = world.plan(renderer, policy)
    assert all(change.runs for change in plan.changes)
    assert plan.orders["web"].failed == 0
    # A retry alone begins nothing new.
    retried = world.plan(renderer, Policy(retry=again))
    assert {c.server for c in retried.changes if c.runs} == {"web-1", "web-2"}
    old = world.declaration.targets["web"]
    new = replace(old, params={"channel": "beta"})
    world.declaration = replace(world.declaration, targets={"web": new})
    assert all(change.runs for change in world.plan(renderer).changes)


@pytest.mark.parametrize(
    "policy", [Policy(resuming=frozenset({"web"})), Policy(overrides={"budget": "go on"})]
)
def test_what_a_person_goes_on_with_may_fail_anew(renderer: Renderer, policy: Policy) -> None:
    """Otherwise the first look of the scheduler would halt it again."""
    plan = halted(renderer, Amount(number=1)).plan(renderer, policy)
    assert sum(change.runs for change in plan.changes) == 8
    assert (plan.orders["web"].max_failures, plan.orders["web"].failed) == (1, 0)


def test_failures_below_the_limit_are_carried_on(renderer: Renderer) -> None:
    plan = halted(renderer, Amount(number=3)).plan(renderer)
    order = plan.orders["web"]
    assert (order.max_failures, order.failed) == (3, 2)


def test_a_share_of_failures_is_one_of_the_whole_target(renderer: Renderer) -> None:
    """Two of ten failed: eight are left to run, and three of ten may fail, not two of eight."""
    order = halted(renderer, Amount(number=30, percent=True)).plan(renderer).orders["web"]
    assert (order.max_failures, order.failed) == (3, 2)


def test_a_filter_is_no_way_around_a_halt(renderer: Renderer) -> None:
    world = halted(renderer, Amount(number=0))
    scope = replace(Policy().scope, servers=frozenset({"web-9"}))
    assert held_by(world.plan(renderer, Policy(scope=scope))) is Gate.BUDGET


def test_what_would_hold_even_an_answering_server_is_told_before_that_it_is_offline(
    renderer: Renderer,
) -> None:
    world = one(rollout=Rollout(max_failures=Amount(number=5)))
    world.apply(renderer, world.plan(renderer), State.FAILED)
    world.seen = away("web-1")
    assert held_by(world.plan(renderer)) is Gate.LAST_FAILED
    found = why(renderer, world, Policy())
    assert found[Gate.OFFLINE].passed is False
    assert found[Gate.LAST_FAILED].passed is False


EVERY = {str(name): "it must be" for name in OVERRIDABLE}


def test_a_person_passes_over_rules_and_why_says_so(renderer: Renderer) -> None:
    world = one(
        suspended=Suspended(reason="freeze"), windows=CLOSED, approval=ApprovalRule(required=2)
    )
    assert held_by(world.plan(renderer)) is Gate.SUSPENDED
    some = Policy(overrides={"suspended": "urgent"})
    assert held_by(world.plan(renderer, some)) is Gate.WINDOW
    assert only(world.plan(renderer, Policy(overrides=EVERY))).runs
    found = why(renderer, world, some)
    assert found[Gate.SUSPENDED].passed
    assert found[Gate.SUSPENDED].overridden
    assert found[Gate.SUSPENDED].message == (
        "overridden (urgent): suspended in its declaration: freeze (pipelines/shop.yaml:2)"
    )
    assert found[Gate.INACTIVE].overridden is False
    assert found[Gate.WINDOW].passed is False
    assert found[Gate.APPROVAL].passed is False
    assert found[Gate.OFFLINE].passed is True


@pytest.mark.parametrize("gate", sorted(set(Gate) - OVERRIDABLE))
def test_facts_are_not_passed_over(renderer: Renderer, gate: Gate) -> None:
    """An override of what is a fact, not a rule, changes nothing."""
    world = World(
        declaration=declaration(target("web", "web-1"), servers=(server("web-1", active=False),))
    )
    policy = Policy(overrides={str(gate): "please"})
    assert held_by(world.plan(renderer, policy)) is Gate.INACTIVE


def test_why_asks_about_a_pair_in_sync_as_if_it_would_run(renderer: Renderer) -> None:
    world = settled(renderer, one())
    world.declaration = one(windows=CLOSED).declaration
    assert world.plan(renderer).changes == ()
    assert why(renderer, world, Policy())[Gate.WINDOW].passed is False
    world.declaration = one(approval=ApprovalRule()).declaration
    assert all(result.passed for result in why(renderer, world, Policy()).values())


def test_what_was_approved_stays_approved_when_it_is_gone_on_with(renderer: Renderer) -> None:
    world = one(approval=ApprovalRule(), rollout=Rollout())
    assert held_by(world.plan(renderer)) is Gate.APPROVAL
    assert held_by(world.plan(renderer, Policy(resuming=frozenset({"web"})))) is None


def test_what_does_nothing_is_held_by_nothing_a_person_said(renderer: Renderer) -> None:
    world = settled(renderer, one())
    world.declaration = one(suspended=Suspended(reason="r"), windows=CLOSED).declaration
    world.seen = away("web-1")
    plan = world.plan(renderer)
    assert (only(plan).action, held_by(plan)) == (Action.NONE, Gate.OFFLINE)


def test_letting_go_waits_for_no_rollout_and_forgetting_for_no_group(renderer: Renderer) -> None:
    names = ("web-1", "web-2", "web-3")
    world = settled(renderer, grouped(Amount(number=1), *names))
    digest = world.records["web", "web-1"].applied
    assert digest is not None
    tried = Tried(digest=digest, run=RunId("r1"), at=NOW, state=State.FAILED)
    world.records["web", "web-1"] = replace(world.records["web", "web-1"], tried=tried)
    left = target("web", "web-1", "web-2", rollout=Rollout())
    world.declaration = replace(world.declaration, targets={"web": left})
    found = {change.server: change for change in world.plan(renderer).changes}
    assert found["web-1"].blocked_by is not None
    assert (found["web-3"].action, found["web-3"].blocked_by) == (Action.FORGET, None)


def test_an_undo_waits_for_no_halted_rollout_and_is_no_pair_of_the_declaration(
    renderer: Renderer,
) -> None:
    world = settled(renderer, World(declaration=declaration(target("web", "web-1", "web-2"))))
    first, second = world.pairs(renderer)
    tried = Tried(digest=first.work.digest, run=RunId("r1"), at=NOW, state=State.FAILED)
    world.records[WEB] = replace(world.records[WEB], tried=tried)
    key = ("web", "web-2")
    undone = {"on_remove": OnRemove.RUN, "undo": second.work}
    world.records[key] = replace(world.records[key], **undone)  # type: ignore[arg-type]
    world.declaration = declaration(
        target("web", "web-1", rollout=Rollout()), servers=(server("web-1"), server("web-2"))
    )
    plan = world.plan(renderer)
    found = {change.server: change for change in plan.changes}
    assert (found["web-2"].action, found["web-2"].runs) == (Action.REMOVE, True)
    assert plan.in_sync == 0
