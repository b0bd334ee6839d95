"""What holders of a narrow token try, and strangers with patience: each of these reached further once, or might have."""

import asyncio

import pytest

from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet

TWO = """\
repos: {shop: {url: "https://git.example.com/shop.git"}, secret-repo: {url: "https://git.example.com/b.git"}}
servers: {away: {address: away.example.com}}
groups: {web: {}}
tasks:
  hello: {run: "echo hello"}
targets:
  mine: {servers: here, task: hello}
  both: {servers: "here:away", task: hello}
  theirs: {servers: away, task: hello}
"""
LATER = "2099-01-01T00:00:00Z"
DIGEST = "0" * 64


async def probe(home: House) -> None:
    for name, scope in (("bysrv", {"servers": "here"}), ("bytgt", {"targets": "mine"})):
        for role in (Role.OPERATOR, Role.ADMIN):
            token = await home.token(f"{name}-{role}", role, **scope)
            for method, path, body in (
                ("POST", "/api/v1/targets/theirs/suspend", {"reason": "x"}),
                ("POST", "/api/v1/targets/both/suspend", {"reason": "x"}),
                ("POST", "/api/v1/targets/both/resume", {"reason": "x"}),
                ("POST", "/api/v1/targets/theirs/approve", {"digest": DIGEST}),
                ("POST", "/api/v1/targets/theirs/rollback", {"to": "main", "reason": "x"}),
                ("POST", "/api/v1/targets/theirs/lift", {"reason": "x"}),
                ("GET", "/api/v1/targets/theirs", None),
                ("GET", "/api/v1/targets/both", None),
                ("GET", "/api/v1/targets", None),
                ("GET", "/api/v1/targets/theirs/history", None),
                ("GET", "/api/v1/servers", None),
                ("GET", "/api/v1/status", None),
                ("GET", "/api/v1/groups/all", None),
                ("GET", "/api/v1/tasks/hello", None),
                ("POST", "/api/v1/repos/secret-repo/check", {}),
                ("POST", "/api/v1/servers/away/check", None),
                ("PUT", "/api/v1/pool", {"on": "away", "workers": 3}),
                ("GET", "/api/v1/pool?on=away", None),
                ("GET", "/api/v1/pool?on=all", None),
                ("POST", "/api/v1/plans", {"full": True}),
                ("POST", "/api/v1/runs", {"kind": "run", "target": "both"}),
                ("POST", "/api/v1/runs", {"kind": "run", "target": "mine", "on": "all"}),
                ("POST", "/api/v1/runs", {"kind": "run", "target": "theirs"}),
                ("POST", "/api/v1/runs", {"kind": "run", "task": "hello", "on": "all"}),
                ("POST", "/api/v1/runs", {"kind": "run", "task": "hello", "on": "here,away"}),
                ("POST", "/api/v1/runs", {"kind": "run", "task": "hello"}),
                ("POST", "/api/v1/tokens", {"name": "new", "role": "admin"}),
                ("POST", "/api/v1/backup", None),
                ("GET", "/api/v1/jobs", None),
                ("GET", "/api/v1/runs", None),
                ("GET", "/api/v1/logs/activity", None),
                ("GET", "/api/v1/drift?target=both", None),
                ("GET", "/metrics", None),
                ("GET", "/", None),
            ):
                got = await home.ask(method, path, token=token, json=body)
                print(name, role, method, path, body, got.status_code, got.text[:1500])


async def test_probe(fleet: Fleet) -> None:
    async with house(fleet, QUICK, declared=TWO) as home:
        await probe(home)
