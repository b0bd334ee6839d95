"""What holders of a narrow token try, and strangers with patience: each of these reached further once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from controller.model.access import Access, Rule
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house
from tests.api.test_doors import FORM, csrf_of, logged_in
from tests.e2e.fleet import Fleet

DECLARED = """\
repos:
  own: {url: "https://git.example.com/own.git"}
  foreign: {url: "https://canary-foreign.example.com/foreign.git"}
servers: {away: {address: canary-address.example.com}}
tasks:
  hello: {run: "echo hello"}
  theirs: {run: "echo canary-command"}
targets:
  mine: {servers: here, task: hello}
  both: {servers: "here:away", task: hello}
  theirs: {servers: away, task: theirs}
"""
REASON = {"reason": "because"}
DECISIONS = (
    ("suspend", REASON),
    ("resume", REASON),
    ("approve", {"digest": "0" * 64}),
    ("rollback", {"to": "main", "reason": "because"}),
    ("lift", REASON),
)


async def test_whose_scope_is_some_servers_decides_about_no_target_that_has_others(
    fleet: Fleet,
) -> None:
    async with house(fleet, QUICK, declared=DECLARED) as home:
        token = await home.token("some", Role.ADMIN, servers="here")
        for target in ("both", "theirs", "gone"):
            for verb, body in DECISIONS:
                path = f"/api/v1/targets/{target}/{verb}"
                got = await home.ask("POST", path, token=token, json=body)
                assert (got.status_code, got.json()["reference"]) == (403, "outside-scope"), path
        path = "/api/v1/targets/mine/suspend"
        assert (await home.ask("POST", path, token=token, json=REASON)).status_code == 200


async def test_whose_scope_is_some_servers_is_told_of_no_target_elsewhere(fleet: Fleet) -> None:
    async with house(fleet, QUICK, declared=DECLARED) as home:
        token, admin = (
            await home.token("some", Role.OPERATOR, servers="here"),
            await home.token("admin", Role.ADMIN),
        )
        await home.ask("POST", "/api/v1/targets/theirs/suspend", token=admin, json=REASON)
        for path in ("/api/v1/targets/theirs", "/api/v1/targets/theirs/history"):
            assert (await home.ask("GET", path, token=token)).status_code == 403, path
        for path in ("/api/v1/targets", "/api/v1/status", "/api/v1/tasks", "/api/v1/repos", "/"):
            told = (await home.ask("GET", path, token=token)).text
            assert "theirs" not in told, path
            assert "canary" not in told, path
        listed = (await home.ask("GET", "/api/v1/targets", token=token)).json()["items"]
        assert [one["name"] for one in listed] == ["both", "mine"]
        plan = await home.ask("POST", "/api/v1/plans", token=token, json={"full": True})
        assert {one["server"] for one in plan.json()["changes"]} == {"here"}
        assert "theirs" not in plan.text


async def test_whose_scope_is_some_targets_sets_no_pools_and_asks_for_no_other_repo(
    fleet: Fleet,
) -> None:
    async with house(fleet, QUICK, declared=DECLARED) as home:
        token = await home.token("some", Role.ADMIN, targets="mine")
        body = {"on": "here", "workers": 1}
        got = await home.ask("PUT", "/api/v1/pool", token=token, json=body)
        assert got.status_code == 403
        got = await home.ask("POST", "/api/v1/repos/foreign/check", token=token, json={})
        assert got.status_code == 404
        assert "canary" not in got.text


@contextlib.asynccontextmanager
async def streaming(home: House, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[str]]:
    """Open the stream of what changes, and read its first event."""
    async with (
        asyncio.timeout(20),
        home.client.stream("GET", "/api/v1/events", headers=headers) as stream,
    ):
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        while await anext(lines):
            pass
        yield lines


async def test_a_stream_ends_when_the_rules_leave_less_to_whoever_reads_it(home: House) -> None:
    headers = {"authorization": f"Bearer {await home.token('one')}"}
    async with streaming(home, headers) as lines:
        generation = home.small.generation
        assert generation is not None
        access = Access(rules={"one": Rule(name="one", role=Role.VIEWER, targets="shop*")})
        declaration = replace(generation.declaration, access=access)
        seen = replace(generation.seen, declaration=declaration)
        home.small.generation = replace(generation, seen=seen)
        assert "event: bye" in [line async for line in lines]


async def test_a_stream_of_a_browser_ends_with_its_login(home: House) -> None:
    cookie = await logged_in(home, await home.token("one"))
    csrf = f"csrf={await csrf_of(home, cookie)}".encode()
    async with streaming(home, cookie) as lines:
        headers = {**FORM, **cookie, "origin": home.url}
        got = await home.ask("POST", "/logout", content=csrf, headers=headers)
        assert got.status_code == 303
        assert "event: bye" in [line async for line in lines]
