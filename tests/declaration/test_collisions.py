"""Two targets cannot deliver to one path of one server, whatever their templates make of it."""

from collections.abc import Iterator

import pytest

from controller.declaration.pairs import placeholders, resolve
from controller.declaration.renderer import Renderer
from controller.model.diagnostic import Diagnostic
from tests.declaration.trees import declared

PATH = "pipelines/a.yaml"
SERVERS = (
    "servers: {web-1: {vars: {app: shop}}, web-2: {vars: {app: shop}}, db-1: {vars: {app: db}}}\n"
)
REPO = "repos: {shop: {url: https://example.com/shop}}\n"


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def told(renderer: Renderer, text: str) -> list[Diagnostic]:
    made = declared({PATH: SERVERS + REPO + text})
    return list(resolve(made, placeholders(made), renderer).diagnostics)


def test_two_targets_that_meet_are_told_with_both_places(renderer: Renderer) -> None:
    (one,) = told(
        renderer,
        'tasks:\n  a: {files: [{path: "/etc/{{ vars.app }}", content: x}]}\n'
        "  b: {files: [{path: /etc/shop, content: y}]}\n"
        "targets: {x: {servers: all, task: a}, y: {servers: all, task: b}}\n",
    )
    assert (one.code, str(one.place)) == ("same-path", f"{PATH}:5:16")
    assert one.message == (
        f"cannot deliver /etc/shop to web-1 and 1 more twice: y does, and x at {PATH}:4:16"
    )


def test_two_targets_of_one_task_are_told_at_the_targets(renderer: Renderer) -> None:
    (one,) = told(
        renderer,
        'tasks: {a: {checkout: {path: "/srv/{{ vars.app }}"}}}\n'
        "targets:\n  x: {servers: web-1, task: a, repo: shop}\n  y: {servers: all, task: a, repo: shop}\n",
    )
    assert str(one.place) == f"{PATH}:6:3"
    assert f"x at {PATH}:5:3" in one.message
    assert "web-1 twice" in one.message


def test_a_file_and_a_checkout_meet_too(renderer: Renderer) -> None:
    (one,) = told(
        renderer,
        'tasks: {a: {checkout: {path: "/srv/{{ vars.app }}"}}, b: {files: [{path: /srv/db, content: x}]}}\n'
        "targets: {x: {servers: all, task: a, repo: shop}, y: {servers: all, task: b}}\n",
    )
    assert "to db-1 twice" in one.message


def test_targets_on_other_servers_and_other_paths_do_not_meet(renderer: Renderer) -> None:
    assert (
        told(
            renderer,
            'tasks: {a: {files: [{path: "/etc/{{ vars.app }}", content: x}]},\n'
            '  b: {files: [{path: "/etc/{{ target.name }}", content: x}]}}\n'
            "targets: {x: {servers: web-1, task: a}, y: {servers: web-2, task: a},\n"
            "  z: {servers: all, task: b}}\n",
        )
        == []
    )
