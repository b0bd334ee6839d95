"""Without a token, at the level `status`: names, states, times and commits, and nothing else of anything."""

import asyncio
from dataclasses import replace

from controller.api.route import Route
from controller.api.settings import Anonymous
from controller.api.shapes import shown
from controller.api.table import OPEN, ROUTES
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house, until
from tests.e2e.fleet import Fleet

CANARIES = {
    "command": "canary-command",
    "environment": "canary-env",
    "parameter": "canary-param",
    "output": "canary-output",
    "address": "canary-address",
    "variable": "canary-variable",
    "reason": "canary-reason",
    "person": "canary-person",
    "label": "canary-label",
    "url": "canary-url",
}
DECLARED = """\
repos: {shop: {url: "https://canary-url.example.com/shop.git"}}
servers: {away: {address: canary-address.example.com, vars: {v: canary-variable}, labels: {x: canary-label}}}
tasks:
  loud:
    params: {p: {type: string, default: canary-param}}
    env: {E: canary-env}
    check: "echo canary-command; exit 1"
    run: "echo canary-output"
targets:
  loud: {servers: here, task: loud}
"""
FILL = {"{name}": "loud", "{repo}": "shop"}


async def made_busy(home: House) -> dict[str, str]:
    """Have something happen of every kind; give what fills the holes of paths."""
    admin = await home.token("canary-person", Role.ADMIN)
    got = await home.ask(
        "POST", "/api/v1/runs", token=admin, json={"kind": "apply", "targets": ["loud"]}
    )
    assert got.status_code == 202, got.text
    run = got.json()["run"]

    async def ended() -> bool:
        jobs = (await home.ask("GET", f"/api/v1/runs/{run}", token=admin)).json()["jobs"]
        return all(job["state"] == "succeeded" for job in jobs)

    await until(ended)
    job = got.json()["jobs"][0]["id"]
    for path, body in (
        ("/api/v1/targets/loud/suspend", {"reason": "canary-reason"}),
        ("/api/v1/servers/here/check", None),
        ("/api/v1/repos/shop/check", {}),
        ("/api/v1/jobs", {"on": "here", "run": "echo canary-command canary-output"}),
    ):
        await home.ask("POST", path, token=admin, json=body)
    now = home.small.clock.now()
    fields = {
        "target": "loud",
        "state": "failed",
        "message": "canary-output",
        "who": "canary-person",
    }
    await home.small.store.newsroom.append(now, [("target", "loud", fields)])
    return {"run": run, "job": job}


def path_of(route: Route, busy: dict[str, str]) -> str:
    kind = route.path.split("/")[3] if route.path.count("/") > 2 else ""
    name = {"servers": "away", "repos": "shop", "groups": "all", "tasks": "loud"}.get(kind, "loud")
    id_ = busy["run"] if kind == "runs" else busy["job"]
    return route.path.replace("{name}", name).replace("{id}", id_)


async def test_no_stranger_sees_more_than_names_states_times_and_commits(fleet: Fleet) -> None:
    async with house(fleet, QUICK, declared=DECLARED) as home:
        busy = await made_busy(home)
        admin = await home.token("canary-person", Role.ADMIN)
        told = ""
        for route in ROUTES:
            if route.unsafe or route.name == "events":
                continue
            path = path_of(route, busy)
            got = await home.ask(route.method, path)
            assert got.status_code != 500, path
            for what, canary in CANARIES.items():
                assert canary not in got.text, (route.name, what)
            if route.open_to is OPEN and "{name}" not in route.path:
                assert got.status_code == 200, (path, got.text)
            told += (await home.ask(route.method, path, token=admin)).text
        # The canaries are there for those who may see them, so that the test could fail.
        assert {name for name, canary in CANARIES.items() if canary not in told} == set()


async def test_news_for_strangers_hold_no_more_either(fleet: Fleet) -> None:
    async with house(fleet, QUICK, declared=DECLARED) as home:
        await made_busy(home)
        headers = {"last-event-id": "0"}
        async with home.client.stream("GET", "/api/v1/events", headers=headers) as stream:
            text = ""
            async with asyncio.timeout(10):
                async for line in stream.aiter_lines():
                    text += line
                    if "failed" in line:
                        break
        assert '"target":"loud"' in text
        assert "canary" not in text


async def test_the_level_none_shows_nothing_and_full_shows_what_a_viewer_reads(
    fleet: Fleet,
) -> None:
    async with house(fleet, replace(QUICK, anonymous=Anonymous.NONE)) as home:
        for path in ("/", "/api/v1/status", "/health", "/metrics", "/api/v1/events"):
            assert (await home.ask("GET", path)).status_code == 401, path
        page = await home.ask("GET", "/", headers={"accept": "text/html"})
        assert page.status_code == 303
        assert page.headers["location"] == "/login"
    fleet.config.write({"ctl.yaml": (fleet.config.path / "ctl.yaml").read_bytes()})
    async with house(fleet, replace(QUICK, anonymous=Anonymous.FULL)) as home:
        viewer = await home.token("viewer", Role.VIEWER)
        for path in ("/api/v1/tasks", "/api/v1/servers/here", "/api/v1/targets/shop"):
            told = (await home.ask("GET", path)).json()
            assert told == (await home.ask("GET", path, token=viewer)).json()
        assert (await home.ask("POST", "/api/v1/runs", json={"kind": "apply"})).status_code == 401
        assert (await home.ask("GET", "/api/v1/state")).status_code == 401


def test_every_route_that_is_open_at_the_level_status_says_what_of_it_is() -> None:
    pages = {"home", "metrics"}  # made of counts and of documents that went through a shape
    for route in ROUTES:
        if route.open_to is Anonymous.STATUS and route.name not in pages:
            assert route.shape is not None, route.name


def test_a_new_field_is_hidden_until_somebody_allows_it() -> None:
    status = next(route for route in ROUTES if route.name == "status")
    assert status.shape is not None
    document = {
        "commit": "c",
        "fresh": "x",
        "targets": [{"target": "t", "fresh": {"a": 1}}],
        "summary": "odd",
    }
    told = shown(document, status.shape)
    assert told == {"commit": "c", "targets": [{"target": "t"}], "summary": None}
