"""What holders of a narrow token try, and strangers with patience: each of these reached further once."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from controller.api.app import build
from controller.api.paging import write_cursor
from controller.api.rates import crowd_of
from controller.api.server import serve
from controller.api.settings import Listen, Rate, Tls
from controller.model.access import Access, Rule
from controller.model.rollout import Order
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house, until
from tests.api.test_doors import FORM, csrf_of, logged_in
from tests.api.test_server import tls as tls_fixture
from tests.e2e.fleet import Fleet
from tests.store.shelf import NOW, a_job, a_run, with_bodies

certified = tls_fixture
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
        paths = ("targets", "status", "tasks", "repos", "jobs", "runs", "groups")
        for path in (*(f"/api/v1/{one}" for one in paths), "/", "/metrics"):
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


Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def dialled(home: House, number: int) -> Way:
    """Connect from an address of its own."""
    return await asyncio.open_connection(*home.server.address, local_addr=(f"127.0.1.{number}", 0))


async def test_idle_strangers_make_room_for_whoever_asks(fleet: Fleet) -> None:
    settings = replace(QUICK, connections=30, connections_each=10, header_seconds=60.0)
    async with house(fleet, settings) as home:
        held = [await dialled(home, 1 + at // 10) for at in range(40)]
        for number in range(50, 55):
            async with asyncio.timeout(5):
                reader, writer = await dialled(home, number)
                writer.write(HEALTH)
                assert b" 200 " in await reader.read()
                writer.close()
        for _, writer in held:
            writer.close()


async def test_whoever_reads_nothing_of_an_answer_is_cut_off(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, stall_seconds=0.6)) as home:
        await home.client.aclose()
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, home.server.address)
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 40
        await loop.sock_sendall(deaf, asked)
        bounds = home.server._bounds
        await asyncio.sleep(0.3)
        assert bounds._open, "it is answered"
        await until(lambda: nobody(home), seconds=15)
        deaf.close()


async def nobody(home: House) -> bool:
    return not home.server._bounds._open


async def test_whoever_reads_slowly_gets_all_of_it(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, stall_seconds=0.9)) as home:
        reader, writer = await asyncio.open_connection(*home.server.address, limit=4096)
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n"
        writer.write((ask + b"\r\n") * 39 + ask + b"Connection: close\r\n\r\n")
        got = 0
        async with asyncio.timeout(60):
            while data := await reader.read(200_000):
                got += len(data)
                await asyncio.sleep(0.002)
        one = len((await home.ask("GET", "/openapi.json")).content)
        assert got > 40 * one
        writer.close()


async def test_who_shakes_no_hands_keeps_nobody_from_tls(
    home: House, certified: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.api.accepting.HANDSHAKES", 8)
    monkeypatch.setattr("controller.api.accepting.HANDSHAKE_SECONDS", 2.0)
    settings = replace(QUICK, tls=True)
    server = serve(build(home.small, settings), Listen(port=0), certified, settings)
    place = server.bind()
    task = asyncio.create_task(server.run())
    trusted = ssl.create_default_context(cafile=certified.certificate)
    held: list[Way] = []
    try:
        held += [
            await asyncio.open_connection(*place, local_addr=("127.0.1.1", 0)) for _ in range(40)
        ]
        async with asyncio.timeout(10):
            eldest = await asyncio.gather(
                *(one[0].read() for one in held[:30]), return_exceptions=True
            )
        assert len(eldest) == 30
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(*place, ssl=trusted)
            writer.write(HEALTH)
            assert b" 200 " in await reader.read()
            writer.close()
        async with asyncio.timeout(10):  # the others run out of time
            await asyncio.gather(*(one[0].read() for one in held), return_exceptions=True)
    finally:
        for _, writer in held:
            writer.close()
        server.stop()
        await task


async def test_guesses_of_a_neighbour_keep_nobody_out_who_was_in_before(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, failures=Rate(second=0.01, burst=3))) as home:
        known, fresh = await home.token("known"), await home.token("fresh")
        path = "/api/v1/tasks"
        assert (await home.ask("GET", path, token=known)).status_code == 200
        codes = [(await home.ask("GET", path, token="0" * 32)).status_code for _ in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        assert (await home.ask("GET", path, token=known)).status_code == 200
        assert (await home.ask("GET", path, token=fresh)).status_code == 429
        await home.desk.revoke(known[:8], by="tests")
        codes = [(await home.ask("GET", path, token=known)).status_code for _ in range(2)]
        assert codes == [429, 429]


def test_whoever_has_a_network_of_ipv6_counts_as_one() -> None:
    assert crowd_of("2001:db8:1:2::1") == crowd_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert crowd_of("2001:db8:1:3::1") != crowd_of("2001:db8:1:2::1")
    assert crowd_of("fe80::1%eth0") == "fe80::/64"
    assert crowd_of("::ffff:192.0.2.7") == crowd_of("192.0.2.7") == "192.0.2.7"
    assert crowd_of("local") == "local"


@pytest.mark.parametrize("last", ["abc", "-1", "1_0", "\u0663", "9" * 5000, "1.5"])
async def test_a_cursor_that_nobody_wrote_is_refused(home: House, last: str) -> None:
    for log in ("activity", "connectivity"):
        got = await home.ask("GET", f"/api/v1/logs/{log}?cursor={write_cursor(log, last)}")
        assert got.status_code in {400, 422}, got.text


async def test_a_body_in_crumbs_is_refused_before_it_costs_anything(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    crumbs = b"1\r\na\r\n" * 100_000
    for path in ("/login", "/hooks/shop", "/api/v1/runs"):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await asyncio.open_connection(*home.server.address)
        writer.write(head.encode() + crumbs)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                told = await reader.read()
                assert told.split()[1] in {b"400", b"401", b"403", b"415"}, told
        writer.close()
    got = await home.ask("POST", "/login", content=pieces(3000, b"x" * 300), headers=FORM)
    assert got.status_code == 303  # whoever sends pieces of some size is read
    assert not caplog.records


async def recorded(home: House, number: int, *targets: str) -> str:
    """Record a run of some targets, with a job of each on this machine."""
    at = NOW + timedelta(minutes=number)
    run = replace(a_run(number), created_at=at, orders={name: Order() for name in targets})
    jobs = (
        a_job(number * 10 + place, run=number, target=name, server="here", created_at=at)
        for place, name in enumerate(targets)
    )
    await home.small.store.runs.add(run, with_bodies(*jobs))
    return run.id


async def pieces(number: int, piece: bytes) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield piece


async def test_rubbish_after_a_request_ends_the_connection_and_nothing_else(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection(*home.server.address)
    writer.write(head)
    async with asyncio.timeout(10):
        assert b" 401 " in await reader.readline()
        writer.write(b"rubbish\r\n" * 10)
        with contextlib.suppress(ConnectionError):
            await reader.read()
    writer.close()
    assert (await home.ask("GET", "/healthz")).status_code == 200
    assert not caplog.records


async def test_only_an_admin_passes_over_a_gate(fleet: Fleet) -> None:
    async with house(fleet, QUICK, declared=DECLARED) as home:
        body = {"kind": "apply", "targets": ["mine"], "overrides": {"approval": "in a hurry"}}
        operator = await home.token("ops", Role.OPERATOR)
        got = await home.ask("POST", "/api/v1/runs", token=operator, json=body)
        assert (got.status_code, got.json()["reference"]) == (403, "not-allowed")
        admin = await home.token("boss", Role.ADMIN)
        got = await home.ask("POST", "/api/v1/runs", token=admin, json=body)
        assert got.status_code in {200, 202}


async def test_strangers_who_send_slowly_keep_nobody_elses_body_out(fleet: Fleet) -> None:
    settings = replace(QUICK, body=1000, body_seconds=30.0)
    async with house(fleet, settings) as home:
        admin = await home.token("admin", Role.ADMIN)
        slow = [await asyncio.open_connection(*home.server.address) for _ in range(8)]
        for number, (_, writer) in enumerate(slow):
            size = "Transfer-Encoding: chunked" if number % 2 else "Content-Length: 9999"
            writer.write(f"POST /hooks/shop HTTP/1.1\r\nHost: x\r\n{size}\r\n\r\n1".encode())
            await writer.drain()
        await asyncio.sleep(0.2)
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with (
            asyncio.timeout(10),
            httpx.AsyncClient(base_url=home.url, transport=elsewhere) as other,
        ):
            small = await home.ask("POST", "/hooks/shop", content=b"{}")
            put = await home.ask(
                "PUT", "/api/v1/jobs/000000000000/workspace/x", token=admin, content=b"x" * 2000
            )
            far = await other.post("/hooks/shop", content=b"x" * 2000)
        assert [one.status_code for one in (small, put, far)] == [401, 404, 401]
        for _, writer in slow:
            writer.close()


async def test_what_has_parts_elsewhere_is_shown_without_them(fleet: Fleet) -> None:
    away = "servers: {away: {address: canary-address.example.com"
    near = "near: {address: near.example.com, groups: [wide]}, "
    wide = DECLARED.replace(away, away.replace("away:", near + "away:") + ", groups: [wide, out]")
    wide = wide.replace('"here:away"', '"here:near:away"') + "groups: {wide: {children: [out]}}\n"
    async with house(fleet, QUICK, declared=wide) as home:
        here = await home.token("here", servers="here:near")
        mine = await home.token("mine", targets="mine")
        admin = await home.token("admin", Role.ADMIN)
        run = await recorded(home, 1, "mine", "both")
        for path in ("groups", "groups/wide", "targets/both"):
            whole = (await home.ask("GET", f"/api/v1/{path}", token=admin)).text
            part = (await home.ask("GET", f"/api/v1/{path}", token=here)).text
            named = [f'"{one}"' for one in ("near", "away")]
            assert [one in whole for one in named] == [True, True], path
            assert [one in part for one in named] == [True, False], part
        for path in ("servers", "servers/here", "servers/away", "runs", f"runs/{run}"):
            told = (await home.ask("GET", f"/api/v1/{path}", token=mine)).text
            assert '"both"' not in told, told
            assert '"theirs"' not in told, told


async def test_what_is_within_the_scope_is_listed_however_much_is_not(home: House) -> None:
    shop = await home.token("shop", targets="shop")
    wanted = await recorded(home, 1, "shop")
    for number in range(2, 47):
        await recorded(home, number, "blog")
    for kind, field in (("runs", "id"), ("jobs", "run")):
        told = await home.ask("GET", f"/api/v1/{kind}?limit=1", token=shop)
        assert [one[field] for one in told.json()["items"]] == [wanted], kind
        assert told.json()["next"] is None, kind
