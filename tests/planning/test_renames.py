"""What is called otherwise now is neither removed nor run again."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from controller.declaration.renderer import Renderer
from controller.model.applied import Applied
from controller.model.declaration import Declaration
from controller.model.digest import digest_of
from controller.model.ids import Digest
from controller.model.observation import CheckSeen, Holder, MarkerSeen, ServerSeen
from controller.model.plan import Action
from controller.planning.inputs import Observed, PairKey, Policy
from controller.planning.removal import removals
from controller.planning.renames import carried, earlier, moved, renames
from tests.planning.world import NOW, World, declaration, only, server, target

DIGEST = Digest("d" * 64)


def record(name: str, machine: str, **more: Any) -> Applied:
    return replace(Applied(target=name, server=machine, applied=DIGEST, at=NOW), **more)


def marked(machine: str, *names: str) -> ServerSeen:
    markers = {
        name: MarkerSeen(record=record(name, machine), sha256=digest_of(name)) for name in names
    }
    return ServerSeen(server=machine, at=NOW, reached=True, markers=markers)


def known(*keys: PairKey, markers: dict[str, tuple[str, ...]] | None = None) -> Observed:
    return Observed(
        records={key: record(*key) for key in keys},
        servers={machine: marked(machine, *names) for machine, names in (markers or {}).items()},
    )


SHOP = declaration(target("shop", "web-1", was="store"))


def test_a_record_and_a_marker_under_the_earlier_name_of_a_target_are_those_of_the_target() -> None:
    seen = carried(SHOP, known(("store", "web-1"), markers={"web-1": ("store", "other")}))
    assert set(seen.records) == {("shop", "web-1")}
    assert seen.records["shop", "web-1"].target == "shop"
    assert set(seen.servers["web-1"].markers) == {"shop", "other"}
    assert seen.servers["web-1"].markers["shop"].sha256 == digest_of("store")


def test_locks_and_checks_follow_the_name_of_their_target() -> None:
    holder = Holder(run="r", who="ops", controller="c", boot_id="b", since=NOW)
    check = CheckSeen(digest=DIGEST, exit_code=0, at=NOW)
    seen = replace(marked("web-1"), locks={"store": holder}, checks={"store": check})
    found = carried(SHOP, Observed(servers={"web-1": seen})).servers["web-1"]
    assert (found.locks, found.checks) == ({"shop": holder}, {"shop": check})


def test_what_is_known_of_a_server_follows_its_name() -> None:
    made = declaration(target("shop", "new-1"), servers=(server("new-1", was="old-1"),))
    found = carried(made, known(("shop", "old-1"), markers={"old-1": ("shop",)}))
    assert set(found.records) == {("shop", "new-1")}
    assert found.servers["new-1"].server == "new-1"
    assert earlier(made, known(("shop", "old-1"))) == {("shop", "new-1"): ("shop", "old-1")}
    both = known(markers={"old-1": (), "new-1": ("shop",)})
    assert set(carried(made, both).servers["new-1"].markers) == {"shop"}


def test_what_is_known_under_the_name_of_today_goes_first() -> None:
    observed = known(("store", "web-1"), ("shop", "web-1"), markers={"web-1": ("store", "shop")})
    found = carried(SHOP, observed)
    assert found.records == {("shop", "web-1"): record("shop", "web-1")}
    assert found.servers["web-1"].markers["shop"].sha256 == digest_of("shop")
    assert list(removals(SHOP, observed, Policy())) == []
    assert moved(SHOP, observed) == ((("store", "web-1"), ("shop", "web-1")),)


@pytest.mark.parametrize(
    "made",
    [
        declaration(target("shop", "web-1", was="store"), target("store", "web-1")),
        declaration(target("a", "web-1", was="store"), target("b", "web-1", was="store")),
    ],
    ids=["declared again", "claimed twice"],
)
def test_a_name_that_is_declared_or_claimed_twice_is_nobodys_earlier_name(
    made: Declaration,
) -> None:
    assert not renames(made)
    assert moved(made, known(("store", "web-1"))) == ()


def test_only_what_does_not_run_is_to_be_moved() -> None:
    observed = known(("store", "web-1"), markers={"web-1": ("store",)})
    pair = (("store", "web-1"), ("shop", "web-1"))
    assert moved(SHOP, observed) == (pair,)
    assert moved(SHOP, known(markers={"web-1": ("store",)})) == (pair,)
    assert moved(SHOP, observed, {("shop", "web-1")}) == ()
    assert moved(SHOP, known(("shop", "web-1"))) == ()


def test_a_renamed_pair_in_sync_stays_in_sync(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("store", "old-1")))
    world.apply(renderer, world.plan(renderer))
    old = world.observed()
    world.declaration = declaration(
        target("shop", "new-1", was="store"), servers=(server("new-1", was="old-1"),)
    )
    assert world.plan(renderer, observed=old).changes == ()
    world.declaration = declaration(
        target("shop", "new-1", was="store", params={"channel": "beta"}),
        servers=(server("new-1", was="old-1"),),
    )
    change = only(world.plan(renderer, observed=old))
    assert change.action is Action.CHANGE
    assert change.was == ("store", "old-1")
    assert change.expect == Digest("0" * 64)


def test_a_renamed_pair_that_is_no_longer_picked_goes_under_its_earlier_name() -> None:
    made = declaration(target("shop", "web-2", was="store"), servers=(server("web-1"),))
    (one,) = removals(made, known(("store", "web-1")), Policy())
    assert (one.change.target, one.change.was) == ("shop", ("store", "web-1"))
    assert one.change.reason == "target shop no longer picks the server"


TARGETS, SERVERS = ["a", "b", "c"], ["s1", "s2", "s3"]
KEYS = st.sets(st.tuples(st.sampled_from(TARGETS), st.sampled_from(SERVERS)))


@given(KEYS, KEYS, st.permutations(["x", "y", "z"]), st.permutations(["t1", "t2", "t3"]))
def test_renaming_everything_removes_nothing(
    records: set[PairKey], markers: set[PairKey], targets: list[str], servers: list[str]
) -> None:
    """Law: with `was` on all blocks, no pair is shown as removed, and each is known under one new name."""
    observed = Observed(
        records={key: record(*key) for key in records},
        servers={name: marked(name, *(t for t, s in markers if s == name)) for name in SERVERS},
    )
    made = declaration(
        *(target(n, *servers, was=w) for n, w in zip(targets, TARGETS, strict=True)),
        servers=tuple(server(n, was=w) for n, w in zip(servers, SERVERS, strict=True)),
    )
    assert list(removals(made, observed, Policy())) == []
    names = renames(made)
    assert set(carried(made, observed).records) == {names.now(key) for key in records}
    assert {was for was, _ in moved(made, observed)} == records | markers
