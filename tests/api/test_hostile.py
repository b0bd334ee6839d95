"""Bytes that no honest client sends: refused, bounded, never a 5xx, and the next one is served."""

import asyncio
import gzip
import json
from dataclasses import replace

import pytest

from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


async def raw(home: House, data: bytes, *, seconds: float = 5.0) -> bytes:
    """Send bytes, and read what comes until the other end closes or falls silent."""
    reader, writer = await asyncio.open_connection(*home.server.address)
    told = b""
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65536):
                told += chunk
                if b"Connection: close" not in data and b"\r\n\r\n" in told:
                    break
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return told


def status_of(told: bytes) -> int:
    return int(told.split()[1]) if told.startswith(b"HTTP/1.1 ") else 0


FRAMES = {
    "length and chunks": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "unicode length": POST + "Content-Length: \u0665\r\n\r\nhello".encode(),
    "huge length": POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nhello",
    "odd coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before colon": GET + b"X-A : b\r\n\r\n",
    "NUL in a header": GET + b"X-A: a\0b\r\n\r\n",
    "bare CR": GET + b"X-A: a\rX-B: c\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "absolute form": b"GET http://evil.example.com/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "authority form": b"CONNECT evil.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "large header": GET + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": GET + b"".join(b"X-%d: a\r\n" % one for one in range(5000)) + b"\r\n",
    "bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMES)
async def test_a_request_with_two_readings_is_refused_and_nothing_hides_in_it(
    home: House, name: str
) -> None:
    told = await raw(home, FRAMES[name])
    assert told == b"" or 400 <= status_of(told) < 500, told
    assert told.count(b"HTTP/1.1 ") <= 1
    assert (await home.ask("GET", "/healthz")).status_code == 200


PATHS = (
    "//healthz", "/./healthz", "/../healthz", "/%2e%2e/healthz", "/%2E/healthz", "/api/v1/../v1/tokens", "/api//v1/tokens",
    "/api/v1/%2fstatus", "/api/v1/servers/a%2Fb", "/api/v1/servers/a%5cb", "/api/v1/servers/..", "/api/v1/servers/%00",
    "/api/v1/servers/%0d%0aX-A:%20b", "/api/v1/servers/%ff", "/api/v1/status;jsessionid=1", "/healthz%20",
    "/" + "a" * 5000, "/api/v1/jobs/x/artifacts/../../secret", "/api/v1/jobs/x/artifacts//etc/passwd", "/api/v1/servers/%e2%80%ae",
)  # fmt: skip


async def test_a_path_has_one_spelling(home: House) -> None:
    token = await home.token("admin", Role.ADMIN)
    for path in PATHS:
        told = await raw(
            home,
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode(),
        )
        assert status_of(told) in {400, 404}, (path, told)
        assert b"X-A: b" not in told


async def test_a_slow_head_and_a_slow_body_end(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, header_seconds=0.5, body_seconds=0.5)) as home:
        for begun in (b"", b"GET /he", GET, GET + b"X-A: "):
            reader, writer = await asyncio.open_connection(*home.server.address)
            writer.write(begun)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
        told = await raw(home, POST + b"Content-Length: 100\r\nConnection: close\r\n\r\nabc")
        assert status_of(told) == 408
        reader, writer = await asyncio.open_connection(*home.server.address)
        for _ in range(20):
            writer.write(b"G")
            await asyncio.sleep(0.1)
        assert reader.at_eof() or reader.exception() is not None, "a drip does not keep it open"
        writer.close()


async def test_connections_of_one_address_are_bounded(fleet: Fleet) -> None:
    async with house(fleet, replace(QUICK, connections_each=5)) as home:
        await home.client.aclose()
        held = [await asyncio.open_connection(*home.server.address) for _ in range(8)]
        ended = await asyncio.gather(*(one[0].read() for one in held[5:]), return_exceptions=True)
        assert all(one == b"" or isinstance(one, ConnectionError) for one in ended)
        for one in held:
            one[1].close()
        await asyncio.sleep(0.2)
        assert status_of(await raw(home, GET + b"\r\n")) == 200


BODIES = {
    "not JSON": (b"{", 400),
    "a name twice": (b'{"targets": [], "targets": ["shop"]}', 400),
    "NaN": (b'{"heal": NaN}', 400),
    "infinity": (b'{"heal": -Infinity}', 400),
    "half a surrogate": (b'{"targets": ["\\ud800"]}', 400),
    "NUL": (b'{"targets": ["a\\u0000b"]}', 400),
    "not UTF-8": (b'{"targets": ["\xff"]}', 400),
    "UTF-16": ('{"targets": []}'.encode("utf-16"), 400),
    "deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "deep lists": (b"[" * 500 + b"]" * 500, 400),
    "a number of many digits": (b'{"heal": ' + b"9" * 10_000 + b"}", 400),
    "unknown names": (b'{"nothing": 1}', 422),
    "another type": (b'{"targets": "shop"}', 422),
    "no object": (b"[]", 422),
    "a long name": (json.dumps({"targets": ["a" * 10_000]}).encode(), 422),
    "many names": (json.dumps({"targets": ["a"] * 5000}).encode(), 422),
    "too large": (b'{"limit": "' + b"a" * (3 << 20) + b'"}', 413),
    "an odd revision": (b'{"at": "--upload-pack=evil"}', 422),
    "a date of no year": (b'{"as_of": "2026-99-99T00:00:00Z"}', 422),
}


async def test_bodies_have_one_reading_and_bounds(home: House) -> None:
    token = await home.token("admin", Role.ADMIN)
    headers = {"content-type": "application/json"}
    for name, (body, wanted) in BODIES.items():
        got = await home.ask("POST", "/api/v1/plans", token=token, content=body, headers=headers)
        assert got.status_code == wanted, (name, got.text)
        assert got.headers["content-type"] == "application/problem+json"
        assert len(got.content) < 5000, "what was sent is not sent back"


async def test_packed_and_foreign_bodies_are_not_read(home: House) -> None:
    token = await home.token("admin", Role.ADMIN)
    bomb = gzip.compress(b"{}" + b" " * 10_000_000)
    for headers in (
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "br"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/x-www-form-urlencoded"},
        {},
    ):
        got = await home.ask("POST", "/api/v1/plans", token=token, content=bomb, headers=headers)
        assert got.status_code == 415, headers
    got = await home.ask("GET", "/api/v1/status", token=token, content=b"hello")
    assert got.status_code == 400


async def test_lists_are_bounded_whatever_is_asked_for(home: House) -> None:
    token = await home.token("admin", Role.ADMIN)
    for query in (
        "limit=0", "limit=-1", "limit=501", "limit=1000000000", "limit=1e3", "limit=\u0665", "limit=", "limit=1&limit=2",
        "offset=1", "sort=name", "cursor=x", "cursor=AAAA", "cursor=" + "a" * 2000, "target='%20OR%201=1", "state=nothing", "run=%25",
    ):  # fmt: skip
        got = await home.ask("GET", f"/api/v1/jobs?{query}", token=token)
        assert got.status_code in {400, 422}, (query, got.text)


async def test_every_answer_is_kept_from_frames_scripts_and_caches(home: House) -> None:
    for path in ("/", "/docs", "/login", "/api/v1/status", "/nothing", "/api/v1/tokens"):
        got = await home.ask("GET", path)
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cache-control"] == "no-store"
        assert "server" not in got.headers
        assert "access-control-allow-origin" not in got.headers
        assert "<script" not in got.text
        assert "style=" not in got.text


async def test_nobody_is_told_of_the_inside(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("canary-inside")

    monkeypatch.setattr(type(home.small.store.runs), "list", broken)
    got = await home.ask("GET", "/api/v1/runs", token=await home.token("admin", Role.ADMIN))
    assert got.status_code == 500
    assert got.json()["reference"] == "internal"
    assert "canary-inside" not in got.text


async def test_a_form_with_too_many_fields_is_refused(home: House) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for number in (6, 30):
        fields = "&".join(f"x{one}=y" for one in range(number)).encode()
        said = await home.ask("POST", "/login", content=fields, headers=form)
        assert said.status_code == (303 if number == 6 else 400), said.text


@pytest.mark.parametrize("text", ["A", "AAAAA", "AAAAA=", "AA=", "="])
async def test_half_a_base64_is_refused_before_it_is_a_run(home: House, text: str) -> None:
    token = await home.token("ops", Role.ADMIN)
    asked = {
        "/api/v1/runs": {"kind": "run", "task": "hello", "on": "here", "stdin": text},
        "/api/v1/jobs": {"on": "here", "run": "cat", "stdin": text},
        "/api/v1/jobs/000000000000/input": {"data": text},
    }
    for path, body in asked.items():
        said = await home.ask("POST", path, token=token, json=body)
        assert (said.status_code, "base64" in said.json()["detail"]) == (422, True), said.text
    assert (await home.ask("GET", "/api/v1/runs", token=token)).json()["items"] == []


@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-01T00:00:00",
        "2026-01-01",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00%2B23:59",
    ],
)
async def test_a_moment_that_is_none_everywhere_is_refused(home: House, moment: str) -> None:
    token = await home.token("ops", Role.ADMIN)
    words = moment.replace("%2B", "+")
    said = [
        await home.ask("GET", f"/api/v1/logs/activity?since={moment}", token=token),
        await home.ask("POST", "/api/v1/plans", token=token, json={"as_of": words}),
        await home.ask(
            "POST",
            "/api/v1/targets/shop/suspend",
            token=token,
            json={"reason": "x", "until": words},
        ),
    ]
    for one in said:
        assert (one.status_code, "moment" in one.json()["detail"]) == (422, True), one.text
