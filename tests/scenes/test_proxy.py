"""A controller behind haproxy and nginx: TLS ends there, nothing is held back, and nobody pays for his neighbours."""

import contextlib
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.api.test_doors import FORM
from tests.e2e.fleet import Fleet, wait_for
from tests.scenes.fronts import PROXY, Front, fronted

pytestmark = [pytest.mark.real, pytest.mark.sweep]

DECLARED = "tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n"
MANY = 130
"""More than one address may have connections."""
EVENTS = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(params=("haproxy", "nginx"))
def front(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Front]:
    fleet.declare(DECLARED)
    with fronted(fleet, request.param) as made:
        yield made


@pytest.fixture
def haproxy(fleet: Fleet) -> Iterator[Front]:
    fleet.declare(DECLARED)
    with fronted(fleet, "haproxy") as made:
        yield made


def place(number: int) -> str:
    return f"127.0.6.{number}"


def read_until(link: ssl.SSLSocket, word: bytes, *, seconds: float = 10.0) -> bytes:
    """Read until a word has come, this long at most."""
    link.settimeout(seconds)
    got = b""
    while word not in got:
        data = link.recv(65536)
        assert data, got
        got += data
    return got


def test_what_changes_is_told_at_once(front: Front, fleet: Fleet) -> None:
    wait_for(front.served.in_sync, seconds=30)
    with front.connect(place(1)) as link:
        link.sendall(EVENTS)
        read_until(link, b"event: ready")
        fleet.declare(DECLARED.replace("'true'", "'exit 0'"))
        front.served.look()
        began = time.monotonic()
        told = read_until(link, b"event: job", seconds=20)
        assert b"event: config" in told or b"event: run" in told
        assert time.monotonic() - began < 15


def test_a_browser_logs_in_over_the_tls_of_the_proxy_and_from_no_other_site(front: Front) -> None:
    with front.client(place(1)) as browser:
        form, own = {"token": front.served.token}, {**FORM, "origin": front.url}
        foreign = browser.post("/login", data=form, headers={**own, "origin": "https://evil.test"})
        assert foreign.status_code == 403
        entered = browser.post("/login", data=form, headers=own)
        assert entered.status_code == 303
        cookie = entered.headers["set-cookie"]
        assert cookie.startswith("__Host-ctl=")
        assert "; Secure" in cookie
        assert "max-age" in entered.headers["strict-transport-security"]
        assert "log out" in browser.get("/").text.lower()


def test_the_log_names_who_asked_and_not_the_proxy(front: Front) -> None:
    forged = {"x-forwarded-for": "6.6.6.6"}
    wait_for(front.served.in_sync, seconds=30)
    with front.client(place(7), token=front.served.token) as admin:
        assert admin.post("/api/v1/servers/here/check", headers=forged).is_success
    said = front.served.ctl("logs", "activity", "-n", "50", "-o", "json").ended(0).out
    assert f'"{place(7)}"' in said
    assert f'"{PROXY}"' not in said
    assert "6.6.6.6" not in said


def test_who_asks_too_often_is_told_so_and_nobody_else(front: Front) -> None:
    with front.client(place(1)) as greedy, front.client(place(2)) as other:
        codes = {greedy.get("/api/v1/status").status_code for _ in range(90)}
        assert codes == {200, 429}
        assert other.get("/api/v1/status").status_code == 200


def test_more_streams_go_through_it_than_one_address_may_have_connections(haproxy: Front) -> None:
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(haproxy.connect(place(at + 1))) for at in range(MANY)]
        for link in links:
            link.sendall(EVENTS)
        for link in links:
            read_until(link, b"event: ready")


def quick(front: Front, number: int) -> bool:
    """Say whether somebody else is answered soon."""
    began = time.monotonic()
    with front.client(place(number)) as other:
        answer = other.get("/api/v1/status")
    return answer.status_code == 200 and time.monotonic() - began < 3


def test_who_never_ends_his_headers_or_his_body_keeps_nobody_waiting(haproxy: Front) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with contextlib.ExitStack() as stack:
        headless = [stack.enter_context(haproxy.connect(place(1))) for _ in range(150)]
        bodiless = [stack.enter_context(haproxy.connect(place(2))) for _ in range(150)]
        for link in headless:
            link.sendall(head)
        for link in bodiless:
            link.sendall(head + b"Content-Length: 1000\r\n\r\ntoken=")
        assert all(quick(haproxy, number) for number in range(10, 20))
        for _ in range(3):
            for link in (*headless, *bodiless):
                with contextlib.suppress(OSError):
                    link.sendall(b"x")
            time.sleep(1)
            assert quick(haproxy, 20)
        for link in bodiless:
            said = read_until(link, b"\r\n\r\n", seconds=40)
            assert said.startswith((b"HTTP/1.1 408", b"HTTP/1.1 429")), "each time has an end"
        assert quick(haproxy, 21)
