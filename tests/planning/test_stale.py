"""Only the pairs a saved plan would run make it stale, and only by what is applied or wanted there."""

from dataclasses import replace

import pytest

from controller.declaration.renderer import Renderer
from controller.model.declaration import Repo
from controller.model.ids import Digest
from controller.model.plan import Action, Blocker, Gate, Plan
from controller.model.rollout import Order
from controller.planning.stale import first_difference
from tests.planning.world import World, declaration, sourced, target

REPOS = (Repo(name="shop", url="u"),)


def test_the_same_world_is_not_stale(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    assert first_difference(world.plan(renderer), world.plan(renderer)) is None


def test_other_pairs_and_other_commits_do_not_count(renderer: Renderer) -> None:
    shop = target("web", "web-1", repo="shop", paths=("app/**",))
    world = World(
        declaration=declaration(shop, repos=REPOS), sources={"web": sourced(1, watched=())}
    )
    saved = world.plan(renderer)
    world.sources = {"web": sourced(2, watched=())}
    world.declaration = declaration(shop, target("more", "web-1"), repos=REPOS)
    assert first_difference(saved, world.plan(renderer)) is None


def test_another_wish_is_named(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    saved = world.plan(renderer)
    world.declaration = declaration(target("web", "web-1", params={"channel": "beta"}))
    said = first_difference(saved, world.plan(renderer))
    assert said is not None
    assert said.startswith("target web on web-1: wanted ")


def test_another_record_is_named(renderer: Renderer) -> None:
    world = World(declaration=declaration(target("web", "web-1")))
    first = world.plan(renderer)
    world.apply(renderer, first)
    assert first_difference(first, world.plan(renderer)) == (
        "target web on web-1: planned to add, now nothing is to be done"
    )
    world.declaration = declaration(target("web", "web-1", params={"channel": "beta"}))
    saved = world.plan(renderer)
    record = world.records["web", "web-1"]
    world.records["web", "web-1"] = replace(record, applied=Digest("e" * 64))
    assert "applied when it was planned, now eeeeeeee" in (
        first_difference(saved, world.plan(renderer)) or ""
    )


@pytest.mark.parametrize(
    ("now", "said"),
    [({"action": Action.REPAIR}, "now to repair"), ({"unknown": True}, "nothing is known")],
)
def test_another_kind_of_work_is_named(
    renderer: Renderer, now: dict[str, object], said: str
) -> None:
    saved: Plan = World(declaration=declaration(target("web", "web-1"))).plan(renderer)
    (change,) = saved.changes
    fresh = replace(saved, changes=(replace(change, **now),))  # type: ignore[arg-type]
    assert said in (first_difference(saved, fresh) or "")


def test_what_gets_a_job_although_its_server_was_away_counts_too(renderer: Renderer) -> None:
    saved: Plan = World(declaration=declaration(target("web", "web-1"))).plan(renderer)
    (change,) = saved.changes
    away = replace(change, blocked_by=Blocker(gate=Gate.OFFLINE, message="no answer"))
    waiting = replace(saved, changes=(away,))
    now = replace(saved, changes=(replace(change, after=Digest("e" * 64)),))
    assert first_difference(waiting, now) is None
    counted = replace(waiting, orders={"web": Order(max_failures=0)})
    assert "now eeeeeeee" in (first_difference(counted, now) or "")
