"""Tokens, cookies, and those who try to get in by them."""

import asyncio
import re
from dataclasses import replace

import httpx
import pytest

from controller.api.settings import Rate
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import NO_TLS, House, house, until
from tests.e2e.fleet import Fleet

FORM = {"content-type": "application/x-www-form-urlencoded"}
REASON = {"reason": "because"}
SUSPEND = "/api/v1/targets/shop/suspend"


async def logged_in(home: House, token: str) -> dict[str, str]:
    """Log in as a browser does; give its cookie as a header."""
    got = await home.ask(
        "POST", "/login", content=f"token={token}".encode(), headers={**FORM, "origin": home.url}
    )
    assert got.status_code == 303, got.text
    assert got.headers["location"] == "/"
    home.client.cookies.clear()
    return {"cookie": got.headers["set-cookie"].split(";")[0]}


async def csrf_of(home: House, cookie: dict[str, str]) -> str:
    found = re.search(
        'name="csrf" value="([^"]+)"', (await home.ask("GET", "/", headers=cookie)).text
    )
    assert found is not None
    return found[1]


async def test_a_browser_logs_in_looks_and_logs_out(home: House) -> None:
    cookie = await logged_in(home, await home.token("ana", Role.OPERATOR))
    page = await home.ask("GET", "/", headers=cookie)
    assert "Log out ana" in page.text
    assert "echo" in (await home.ask("GET", "/api/v1/tasks", headers=cookie)).text
    body = f"csrf={await csrf_of(home, cookie)}".encode()
    got = await home.ask(
        "POST", "/logout", content=body, headers={**FORM, **cookie, "origin": home.url}
    )
    assert got.status_code == 303
    assert "Max-Age=0" in got.headers["set-cookie"]
    assert (await home.ask("GET", "/api/v1/tasks", headers=cookie)).status_code == 401


async def test_the_cookie_is_kept_from_scripts_and_other_sites(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, tls=True)) as home:
        token = await home.token("ana")
        got = await home.ask(
            "POST",
            "/login",
            content=f"token={token}".encode(),
            headers={**FORM, "origin": home.url},
        )
        cookie = got.headers["set-cookie"]
        assert cookie.startswith("__Host-ctl=")
        for word in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/"):
            assert word in cookie
        assert token not in cookie
        assert "strict-transport-security" in got.headers


async def test_a_wrong_token_logs_nobody_in(home: House) -> None:
    for text in (
        b"",
        b"token=",
        b"token=" + b"0" * 32,
        "token=\u00e4".encode(),
        b"token=" + b"a" * 100_000,
    ):
        got = await home.ask("POST", "/login", content=text, headers={**FORM, "origin": home.url})
        assert got.status_code == 303
        assert got.headers["location"] == "/login?refused=yes"
        assert "set-cookie" not in got.headers
    assert "not good" in (await home.ask("GET", "/login?refused=yes")).text


async def test_browsers_are_not_told_to_hide_that_a_form_is_ours(home: House) -> None:
    """With `no-referrer` they send `Origin: null` with every form, and nobody gets in."""
    answer = await home.ask("GET", "/login")
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_a_change_by_cookie_needs_origin_and_csrf_token(home: House) -> None:
    cookie = await logged_in(home, await home.token("ana", Role.OPERATOR))
    csrf = {"x-csrf-token": await csrf_of(home, cookie)}
    own = {"origin": home.url}
    for headers in (
        {**cookie},
        {**cookie, **csrf},
        {**cookie, **own},
        {**cookie, **csrf, "origin": "null"},
        {**cookie, **csrf, "origin": "https://evil.example.com"},
        {**cookie, **csrf, "origin": f"{home.url}.evil.example.com"},
        {**cookie, **own, "x-csrf-token": "0" * 43},
        {**cookie, **own, "x-csrf-token": "\u00e4".encode("latin-1").decode("latin-1")},
        {**cookie, **csrf, "sec-fetch-site": "cross-site"},
    ):
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        got = await home.client.post(SUSPEND, json=REASON, headers=sent)
        assert got.status_code == 403, headers
    got = await home.ask("POST", SUSPEND, json=REASON, headers={**cookie, **csrf, **own})
    assert got.status_code == 200, got.text


async def test_no_other_site_logs_a_browser_in(home: House) -> None:
    token = await home.token("evil")
    for headers in (
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ):
        got = await home.ask(
            "POST", "/login", content=f"token={token}".encode(), headers={**FORM, **headers}
        )
        assert got.status_code == 403


async def test_a_cookie_that_is_there_twice_is_none(home: House) -> None:
    """A neighbour's sub-domain may put one of the same name beside ours."""
    cookie = await logged_in(home, await home.token("ana", Role.VIEWER))
    tossed = {"cookie": f"{cookie['cookie']}; ctl=tossed"}
    assert (await home.ask("GET", "/api/v1/tasks", headers=tossed)).status_code == 401


async def test_what_is_no_token_is_refused_in_the_same_words(home: House) -> None:
    good = await home.token("ana", Role.ADMIN)
    bad = (b"x", good[:31].encode(), good[:8].encode() + b"0" * 24, good.swapcase().encode(), "\u00e4".encode() * 16,
           b"\xff" * 32, b"a" * 9000)  # fmt: skip
    details = set()
    for text in bad:
        got = await home.client.get(
            "/api/v1/tokens", headers=[(b"authorization", b"Bearer " + text)]
        )
        assert got.status_code in {400, 401}, text
        if got.status_code == 401:
            details.add(got.json()["detail"])
            assert got.headers["www-authenticate"].startswith("Bearer")
    assert len(details) == 1
    got = await home.ask("GET", "/api/v1/tokens", headers={"authorization": f"Basic {good}"})
    assert got.status_code == 401
    two = [(b"authorization", f"Bearer {good}".encode()), (b"authorization", b"Bearer x")]
    assert (await home.client.get("/api/v1/tokens", headers=two)).status_code == 400
    assert (await home.ask("GET", f"/api/v1/tokens?token={good}")).status_code == 422


async def test_guessing_is_slowed_down_and_good_tokens_are_not(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, failures=Rate(second=0.1, burst=3))) as home:
        codes = [
            (await home.ask("GET", "/api/v1/status", token="0" * 32)).status_code for _ in range(5)
        ]
        assert codes == [401, 401, 401, 429, 429]
        got = await home.ask("GET", "/api/v1/status", token="0" * 32)
        assert int(got.headers["retry-after"]) > 0
        assert (await home.ask("GET", "/api/v1/status")).status_code == 200


async def test_a_token_and_an_address_may_ask_only_so_often(fleet: Fleet) -> None:
    slow = Rate(second=0.01, burst=5)
    async with house(fleet, replace(QUICK, per_token=slow)) as home:
        one, other = await home.token("one"), await home.token("other")
        codes = [(await home.ask("GET", "/api/v1/runs", token=one)).status_code for _ in range(6)]
        assert codes == [200] * 5 + [429]
        assert (await home.ask("GET", "/api/v1/runs", token=other)).status_code == 200


async def test_strangers_of_one_address_share_a_rate(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, per_address=Rate(second=0.01, burst=10))) as home:
        codes = [(await home.ask("GET", "/nothing")).status_code for _ in range(15)]
        assert codes[0] == 404
        assert codes[-1] == 429
        assert (
            await home.ask("GET", "/api/v1/runs", token=await home.token("one"))
        ).status_code == 200


async def test_a_revoked_token_ends_its_streams_and_its_login(home: House) -> None:
    admin = await home.token("admin", Role.ADMIN)
    made = await home.desk.create(name="gone", role=Role.VIEWER, by="tests")
    cookie = await logged_in(home, made.text)
    async with (
        asyncio.timeout(15),
        home.client.stream(
            "GET", "/api/v1/events", headers={"authorization": f"Bearer {made.text}"}
        ) as stream,
    ):
        lines = stream.aiter_lines()
        assert "id: 0" in [await anext(lines), await anext(lines)]
        got = await home.ask("POST", f"/api/v1/tokens/{made.token.id}/revoke", token=admin)
        assert got.status_code == 200
        told = [line async for line in lines]
    assert "event: bye" in told
    assert (await home.ask("GET", "/api/v1/tasks", headers=cookie)).status_code == 401


async def test_output_that_is_cut_by_a_revocation_does_not_end_as_if_the_job_had(
    home: House,
) -> None:
    admin = await home.token("admin", Role.ADMIN)
    made = await home.desk.create(name="gone", role=Role.VIEWER, by="tests")
    body = {"kind": "run", "task": "slow", "on": "here"}
    run = (await home.ask("POST", "/api/v1/runs", token=admin, json=body)).json()
    job = f"/api/v1/jobs/{run['jobs'][0]['id']}"
    async with (
        asyncio.timeout(15),
        home.client.stream(
            "GET", f"{job}/output?follow=true", headers={"authorization": f"Bearer {made.text}"}
        ) as stream,
    ):
        await home.desk.revoke(made.token.id, by="tests")
        told = [line async for line in stream.aiter_lines()]
    assert "event: bye" in told
    assert "event: end" not in told
    await home.ask("POST", f"{job}/stop", token=admin, json={"grace": 0})


async def test_bytes_alone_that_are_cut_by_a_revocation_are_a_broken_transfer(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    admin = await home.token("admin", Role.ADMIN)
    made = await home.desk.create(name="gone", role=Role.VIEWER, by="tests")
    body = {"kind": "run", "task": "slow", "on": "here"}
    run = (await home.ask("POST", "/api/v1/runs", token=admin, json=body)).json()
    job = f"/api/v1/jobs/{run['jobs'][0]['id']}"
    got = bytearray()

    async def read() -> None:
        path = f"{job}/output?follow=true&format=octets"
        bearer = {"authorization": f"Bearer {made.text}"}
        async with home.client.stream("GET", path, headers=bearer) as stream:
            async for data in stream.aiter_bytes():
                got.extend(data)
                await home.desk.revoke(made.token.id, by="tests")

    with pytest.raises(httpx.RemoteProtocolError):
        await asyncio.wait_for(read(), timeout=15)
    assert got == b"begun\n"
    assert not caplog.records  # it was meant, and is no fault to be told of
    await home.ask("POST", f"{job}/stop", token=admin, json={"grace": 0})


async def test_a_token_has_only_so_many_streams(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, streams=2)) as home:
        headers = {"authorization": f"Bearer {await home.token('one')}"}
        async with (
            httpx.AsyncClient(base_url=home.url, verify=NO_TLS) as client,
            client.stream("GET", "/api/v1/events", headers=headers) as first,
            client.stream("GET", "/api/v1/events", headers=headers) as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            assert (await home.ask("GET", "/api/v1/events", headers=headers)).status_code == 429

        async def free() -> bool:
            async with home.client.stream("GET", "/api/v1/events", headers=headers) as again:
                return again.status_code == 200

        await until(free)


async def test_what_is_changed_stands_in_the_log_before_and_after(home: House) -> None:
    token = await home.token("ana", Role.OPERATOR)
    await home.ask("POST", SUSPEND, token=token, json=REASON)
    lines = home.small.base.activity.tail(10)
    events = [line.event for line in lines]
    begun, done = events.index("api-asked"), events.index("api-answered")
    assert begun < events.index("target-suspending") < events.index("target-suspended") < done
    for at in (begun, done):
        line = lines[at]
        assert (line.actor, line.fields["route"], line.fields["subject"]) == (
            "ana",
            "suspend",
            "shop",
        )
        assert line.fields["token"] == token[:8]
    assert lines[done].fields["status"] == 200
    assert token[8:] not in str(lines)


async def test_tokens_are_made_rotated_and_revoked_by_admins_of_everything(home: House) -> None:
    admin = await home.token("admin", Role.ADMIN)
    made = (
        await home.ask(
            "POST",
            "/api/v1/tokens",
            token=admin,
            json={"name": "ci", "role": "operator", "expires": 3600},
        )
    ).json()
    assert len(made["text"]) == 32
    assert (await home.ask("GET", "/api/v1/tasks", token=made["text"])).status_code == 200
    rotated = await home.ask(
        "POST", f"/api/v1/tokens/{made['id']}/rotate", token=admin, json={"grace": 60}
    )
    assert rotated.status_code == 201
    for text in (made["text"], rotated.json()["text"]):
        assert (await home.ask("GET", "/api/v1/tasks", token=text)).status_code == 200
    again = await home.ask("POST", f"/api/v1/tokens/{made['id']}/rotate", token=admin, json={})
    assert again.status_code == 409
    assert (
        await home.ask("POST", f"/api/v1/tokens/{made['id']}/revoke", token=admin)
    ).status_code == 200
    assert (await home.ask("GET", "/api/v1/tasks", token=made["text"])).status_code == 401
    listed = await home.ask("GET", "/api/v1/tokens", token=admin)
    assert "sha256" not in listed.text
    assert rotated.json()["text"] not in listed.text
    audit = (await home.ask("GET", "/api/v1/tokens/audit", token=admin)).json()
    assert {"token-created", "token-rotated", "token-revoked"} <= {line["event"] for line in audit}
