"""What a login or a kernel cannot do, and the plan says so before anything runs."""

from dataclasses import replace
from typing import Any

import pytest

from controller.declaration.renderer import Renderer
from controller.model.diagnostic import Diagnostic, Place, Severity
from controller.model.plan import Action, Change
from controller.model.task import Limits
from controller.model.work import Pair
from controller.planning.rights import needs_root
from tests.planning.delivered import KEY, file, looked, work
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


def asked(root: bool, **keys: Any) -> tuple[Diagnostic, ...]:
    made = work(file(place=place(50), **keys))
    pair = Pair(target=KEY[0], server=KEY[1], work=made)
    change = Change(target=KEY[0], server=KEY[1], task="deploy", action=Action.ADD)
    return needs_root([pair], [change], {KEY[1]: replace(looked(made), root=root)})


@pytest.mark.parametrize(("key", "name"), [("owner", "root"), ("group", "www-data")])
def test_a_file_of_another_owner_without_root_is_an_error(key: str, name: str) -> None:
    (one,) = asked(root=False, **{key: name})
    assert (one.code, one.place) == ("needs-root", Place(file="pipelines/shop.yaml", line=50))
    assert one.message == (
        f"cannot give /etc/shop.conf to {key} {name} on web-1: the login deploy is not root there"
    )
    assert asked(root=True, **{key: name}) == ()


def test_a_file_of_the_login_needs_no_root() -> None:
    assert asked(root=False, owner="deploy", group="deploy") == ()
    assert asked(root=False) == ()


@pytest.mark.parametrize(
    ("root", "there", "said"),
    [
        (
            False,
            (),
            "cannot limit memory, io on web-1 and 1 more: the login deploy is not root there",
        ),
        (
            True,
            ("cpu", "memory", "pids"),
            "cannot limit io on web-1 and 1 more: the kernel there lets us use no such cgroup controller",
        ),
        (True, ("cpu", "memory", "pids", "io"), None),
        (True, None, None),
    ],
)
def test_limits_that_nothing_there_can_hold_are_an_error(
    renderer: Renderer, root: bool, there: tuple[str, ...] | None, said: str | None
) -> None:
    bound = task("deploy", step(), limits=Limits(memory=1 << 20, io=1 << 20))
    bound = replace(bound, places={"": place(20), "limits": place(22)})
    world = World(declaration=declaration(target("web", "web-1", "web-2"), tasks=(bound,)))
    observed = world.observed()
    servers = {
        name: replace(seen, root=root, login="deploy", limits=there)
        for name, seen in observed.servers.items()
    }
    plan = world.plan(renderer, observed=replace(observed, servers=servers))
    if said is None:
        assert plan.diagnostics == ()
        return
    (one,) = plan.diagnostics
    assert (one.severity, one.code, one.place) == (Severity.ERROR, "no-limits", place(22))
    assert one.message == said


def test_limits_of_what_does_not_run_are_no_matter(renderer: Renderer) -> None:
    bound = task("deploy", step(), limits=Limits(pids=5))
    world = World(declaration=declaration(target("web", "web-1"), tasks=(bound,)))
    world.apply(renderer, world.plan(renderer))
    observed = world.observed()
    servers = {n: replace(s, limits=()) for n, s in observed.servers.items()}
    assert world.plan(renderer, observed=replace(observed, servers=servers)).diagnostics == ()
