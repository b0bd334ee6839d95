"""Causes get their commit and author afterwards."""

from dataclasses import replace

from controller.declaration.renderer import Renderer
from controller.model.declaration import Repo
from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.planning.attribution import attribute, places
from tests.planning.world import World, declaration, revision, sourced, target


def test_declared_causes_are_filled_and_commits_of_repos_stay(renderer: Renderer) -> None:
    world = World(
        declaration=declaration(
            target("a", "web-1"),
            target("b", "web-1", line=9, repo="shop"),
            repos=(Repo(name="shop", url="u"),),
        ),
        sources={"b": sourced(1)},
    )
    world.apply(renderer, world.plan(renderer))
    world.sources = {"b": sourced(2)}
    world.declaration = replace(
        world.declaration,
        targets={**world.declaration.targets, "a": target("a", "web-1", params={"channel": "x"})},
    )
    plan = world.plan(renderer)
    assert places(plan) == (Place(file="pipelines/shop.yaml", line=7),)
    sha = Sha("c" * 40)
    done = attribute(plan, {places(plan)[0]: (sha, "somebody")})
    first, second = (change.cause for change in done.changes)
    assert (first.commit, first.author) == (sha, "somebody")
    assert (second.commit, second.author) == (revision(2).sha, "author 2")
    assert places(done) == ()
    assert done.digest == plan.digest
    assert attribute(plan, {}) == plan
