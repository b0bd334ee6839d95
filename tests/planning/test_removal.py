"""What is no longer declared goes as its last record says, and never by accident."""

from dataclasses import replace
from typing import Any

import pytest

from controller.errors import Unreachable
from controller.model.applied import Applied, Tried
from controller.model.declaration import Declaration, OnRemove
from controller.model.digest import digest_of
from controller.model.ids import RunId
from controller.model.job import State, Trigger
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.plan import Action, Gate
from controller.model.scope import Scope
from controller.model.work import StepWork, Work
from controller.planning.gates import first_blocker
from controller.planning.inputs import Observed, Policy
from controller.planning.question import Question
from controller.planning.removal import Removal, removals
from tests.planning.world import NOW, declaration, server, target

KEY = ("old", "web-1")
UNDO = Work(task="undo", digest=digest_of("undo"), steps=(StepWork(name="a", text="rm -r /srv"),))
GONE = declaration(target("web", "web-1"))
EMPTY = declaration(target("web", "web-9"))
"""Here the server left the inventory, too."""
GIVE_UP = Policy(overrides={"protect": "moved away"})


def record(**more: Any) -> Applied:
    made = Applied(
        target=KEY[0],
        server=KEY[1],
        applied=digest_of("wanted"),
        at=NOW,
        task="deploy",
        connection=server("web-1"),
    )
    return replace(made, **more)


def undoing(**more: Any) -> Applied:
    return record(on_remove=OnRemove.RUN, undo=UNDO, **more)


def marked(one: Applied | None) -> ServerSeen:
    marker = None if one is None else MarkerSeen(record=one, sha256=digest_of("marker"))
    markers = {} if marker is None else {KEY[0]: marker}
    return ServerSeen(server=KEY[1], at=NOW, reached=True, markers=markers)


AWAY = ServerSeen(
    server=KEY[1], at=NOW, reached=False, cause=Unreachable.TCP, message="no route to host"
)


def removal(
    one: Applied | None,
    made: Declaration = GONE,
    policy: Policy | None = None,
    *,
    seen: ServerSeen | None = None,
    stored: bool = True,
) -> Removal:
    """Plan the removal of one pair that the state and its marker know alike, unless told otherwise."""
    records = {KEY: one} if one is not None and stored else {}
    seen = seen or marked(one)
    observed = Observed(records=records, servers={KEY[1]: seen})
    (found,) = removals(made, observed, policy or Policy())
    return found


def blocked(found: Removal, policy: Policy | None = None) -> Gate | None:
    change = found.change
    question = Question(
        subject=found.subject,
        trigger=change.trigger,
        policy=policy or Policy(),
        action=change.action,
    )
    blocker = first_blocker(question)
    return None if blocker is None else blocker.gate


def test_without_a_wish_a_pair_is_forgotten() -> None:
    found = removal(record())
    assert (found.change.action, found.change.commands) == (Action.FORGET, ())
    assert found.change.expect == digest_of("marker")
    assert found.change.reason == "target old is no longer declared"
    assert blocked(found) is None


def test_an_undo_runs_as_it_was_when_the_pair_was_applied() -> None:
    found = removal(undoing())
    change = found.change
    assert (change.action, change.trigger) == (Action.REMOVE, Trigger.REMOVAL)
    assert (change.task, change.commands) == ("undo", ("rm -r /srv",))
    assert (change.before, change.after) == (digest_of("wanted"), UNDO.digest)
    assert found.subject.work is UNDO
    assert blocked(found) is None


def test_a_fresh_clone_undoes_what_only_a_marker_tells_of() -> None:
    found = removal(replace(undoing(), connection=None), stored=False)
    assert (found.change.action, found.change.commands) == (Action.REMOVE, ("rm -r /srv",))
    assert blocked(removal(record(protect=True), stored=False)) is Gate.PROTECT


@pytest.mark.parametrize(
    "one", [record(protect=True), undoing(protect=True), record(on_remove=OnRemove.BLOCK)]
)
def test_what_is_protected_stays_until_a_person_overrides(one: Applied) -> None:
    assert blocked(removal(one)) is Gate.PROTECT
    assert blocked(removal(one, policy=GIVE_UP), GIVE_UP) is None


def test_overriding_protection_still_undoes() -> None:
    assert removal(undoing(protect=True), policy=GIVE_UP).change.action is Action.REMOVE
    kept = record(on_remove=OnRemove.BLOCK)
    assert removal(kept, policy=GIVE_UP).change.action is Action.FORGET


def test_protection_outlives_the_marker_but_an_undo_does_not() -> None:
    assert blocked(removal(record(protect=True), seen=marked(None))) is Gate.PROTECT
    assert removal(undoing(), seen=marked(None)).change.action is Action.FORGET


def test_a_marker_that_says_nothing_lets_the_state_speak() -> None:
    blank = marked(Applied(target=KEY[0], server=KEY[1]))
    assert removal(undoing(), seen=blank).change.action is Action.REMOVE
    assert blocked(removal(record(protect=True), seen=blank)) is Gate.PROTECT


def test_an_undo_that_is_not_known_leaves_the_pair_as_it_is() -> None:
    lost = record(on_remove=OnRemove.RUN)
    found = removal(lost)
    assert (found.change.action, found.change.unknown) == (Action.NONE, True)
    assert "--override protect --reason TEXT" in found.change.reason
    given_up = removal(lost, policy=GIVE_UP).change
    assert given_up.action is Action.FORGET
    assert given_up.reason.endswith("its undo is not known any more, and its undo is given up")


def test_an_undo_that_failed_is_held_until_somebody_asks_again() -> None:
    tried = Tried(digest=UNDO.digest, run=RunId("r1"), at=NOW, state=State.FAILED)
    assert blocked(removal(undoing(tried=tried))) is Gate.LAST_FAILED


def test_a_server_that_left_the_inventory_is_reached_as_it_was() -> None:
    found = removal(undoing(), EMPTY)
    assert found.subject.server == server("web-1")
    assert found.change.action is Action.REMOVE
    assert found.change.reason == "target old is no longer declared"


def test_nobody_waits_for_a_server_that_was_taken_away_with_nothing_to_undo() -> None:
    found = removal(record(), EMPTY, seen=AWAY)
    assert found.change.action is Action.FORGET
    assert blocked(found) is None
    assert blocked(removal(record(), GONE, seen=AWAY)) is Gate.OFFLINE


def test_an_undo_on_a_server_that_is_away_waits_or_is_given_up() -> None:
    found = removal(undoing(), EMPTY, seen=AWAY)
    assert (found.change.action, blocked(found)) == (Action.REMOVE, Gate.OFFLINE)
    assert "gives the undo up" in found.change.reason
    assert removal(undoing(), EMPTY, GIVE_UP, seen=AWAY).change.action is Action.FORGET
    declared = removal(undoing(), GONE, GIVE_UP, seen=AWAY)
    assert (declared.change.action, blocked(declared)) == (Action.REMOVE, Gate.OFFLINE)


def test_where_nobody_knows_how_a_server_was_reached_the_pair_stays() -> None:
    one = replace(undoing(), connection=None)
    assert removal(one, EMPTY).change.unknown
    assert removal(one, EMPTY, GIVE_UP).change.action is Action.FORGET


def test_a_target_that_no_longer_picks_a_server_points_at_its_pattern() -> None:
    made = declaration(target("old", "web-2"), servers=(server("web-1"), server("web-2")))
    found = removal(record(), made)
    assert found.change.reason == "target old no longer picks the server"
    assert found.change.cause.line == 3
    left = removal(record(), declaration(target("old", "web-2")))
    assert left.change.reason == "the server is no longer in the inventory"
    assert left.change.cause.line is None


def test_nothing_outside_of_the_scope_goes() -> None:
    observed = Observed(records={KEY: undoing()}, servers={KEY[1]: marked(undoing())})
    scope = Policy(scope=Scope(targets=frozenset({"web"})))
    assert list(removals(GONE, observed, scope)) == []


def test_removals_come_in_order_and_each_once() -> None:
    records = {("old", f"web-{n}"): Applied(target="old", server=f"web-{n}") for n in (2, 1)}
    observed = Observed(records=records, servers={"web-1": marked(record())})
    found = [one.change.server for one in removals(GONE, observed, Policy())]
    assert found == ["web-1", "web-2"]
