"""Work for another user needs root, and the plan says so before anything runs."""

from dataclasses import replace

import pytest

from controller.declaration.renderer import Renderer
from controller.model.diagnostic import Severity
from tests.planning.world import World, declaration, place, step, target, task


@pytest.mark.parametrize(
    ("root", "login", "told"),
    [(False, "deploy", True), (True, "root", False), (False, "app", False)],
)
def test_another_user_without_root_is_an_error(
    renderer: Renderer, root: bool, login: str, told: bool
) -> None:
    made = declaration(target("web", "web-1", "web-2"), tasks=(task("deploy", step(user="app")),))
    world = World(declaration=made)
    observed = world.observed()
    servers = {n: replace(s, root=root, login=login) for n, s in observed.servers.items()}
    plan = world.plan(renderer, observed=replace(observed, servers=servers))
    if not told:
        assert plan.diagnostics == ()
        return
    (one,) = plan.diagnostics
    assert (one.severity, one.code, one.place) == (Severity.ERROR, "needs-root", place(20))
    assert one.message == (
        "cannot run as app on web-1 and 1 more: the login deploy is not root there"
    )


def test_what_does_not_run_needs_no_root(renderer: Renderer) -> None:
    made = declaration(target("web", "web-1"), tasks=(task("deploy", user="app"),))
    world = World(declaration=made)
    world.apply(renderer, world.plan(renderer))
    observed = world.observed()
    servers = {n: replace(s, login="deploy") for n, s in observed.servers.items()}
    plan = world.plan(renderer, observed=replace(observed, servers=servers))
    assert plan.diagnostics == ()
