"""Proxies that were named are believed in one thing, who asks behind them; nobody else is, in nothing."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, strategies as st

from controller.api.proxies import Forwarding, Proxies, read_network
from controller.api.settings import ApiSettings, Rate
from controller.api.tls import STATE, Shown, shown_in
from controller.errors import UsageError
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house, until
from tests.e2e.fleet import Fleet

PROXY = "127.0.9.1"
NAMED = (ip_network("127.0.9.0/24"), ip_network("2001:db8:9::/64"))
KNOWN = Proxies(NAMED)
BEHIND = replace(QUICK, proxies=NAMED)
BURST = Rate(second=0.001, burst=3)


def asker(place: str, *forwarded: str) -> str:
    return KNOWN.asker(place, [(b"x-forwarded-for", one.encode()) for one in forwarded])


@given(st.ip_addresses().map(str), st.lists(st.text("0123456789.,: abf", max_size=40)))
def test_nobody_is_believed_who_was_not_named(place: str, forwarded: list[str]) -> None:
    if not KNOWN.holds(place):
        assert asker(place, *forwarded) == place


@given(st.text("0123456789.,: abf", max_size=40), st.ip_addresses().map(str))
def test_only_the_last_word_counts_whatever_a_stranger_wrote_before(forged: str, real: str) -> None:
    if not KNOWN.holds(real):
        assert asker(PROXY, f"{forged}, {real}") == asker(PROXY, forged, real) == asker(PROXY, real)


def test_a_proxy_behind_a_proxy_is_believed_once_more() -> None:
    assert asker(PROXY, "6.6.6.6, 198.51.100.7, 127.0.9.2") == "198.51.100.7"
    assert asker(PROXY, "6.6.6.6, 198.51.100.7, 127.0.8.2") == "127.0.8.2"
    assert asker("2001:db8:9::1", "::ffff:127.0.9.2", "2001:db8:1::7") == "2001:db8:1::7"


@pytest.mark.parametrize("word", ["", "unknown", "198.51.100.7:4711", "host.example.com", "a\nb"])
def test_what_is_no_address_is_the_proxys_own(word: str) -> None:
    assert asker(PROXY, f"198.51.100.7, {word}") == PROXY
    assert asker(PROXY) == PROXY
    assert asker("::ffff:127.0.9.1", "198.51.100.7") == "198.51.100.7"


@pytest.mark.parametrize(
    "text", ["", "proxy.example.com", "10.0.0.1/24", "0.0.0.0/0", "::/0", "10.0.0"]
)
def test_what_names_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_network(text)
    assert str(read_network("10.0.0.5")) == "10.0.0.5/32"


@pytest.mark.parametrize(("place", "counts"), [(PROXY, False), ("127.0.8.1", True)])
def test_the_certificate_of_a_proxy_is_no_login_of_those_behind_it(
    place: str, counts: bool
) -> None:
    shown = Shown(der=b"certificate", version="TLSv1.3")
    scope = {"type": "http", "client": (place, 1), "headers": [], "state": {STATE: shown}}
    with Forwarding(BEHIND).placed(scope):
        assert (shown_in(scope) is shown) is counts


async def ask(home: House, place: str, *headers: str, path: str = "/api/v1/status") -> bytes:
    """Ask from a place; give the whole answer."""
    reader, writer = await asyncio.open_connection(*home.server.address, local_addr=(place, 0))
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


def behind(address: str) -> str:
    return f"X-Forwarded-For: 6.6.6.6, {address}"


def code(answer: bytes) -> int:
    return int(answer.split()[1])


async def test_strangers_behind_a_proxy_are_held_to_rates_of_their_own(fleet: Fleet) -> None:
    async with house(fleet, replace(BEHIND, per_address=BURST)) as home:
        codes = [code(await ask(home, PROXY, behind("198.51.100.7"))) for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        assert code(await ask(home, PROXY, behind("198.51.100.8"))) == 200
        assert code(await ask(home, PROXY)) == 200, "nor does the proxy pay for them"


async def test_a_stranger_gets_no_new_rate_by_what_he_writes(fleet: Fleet) -> None:
    async with house(fleet, replace(BEHIND, per_address=BURST)) as home:
        codes = [
            code(await ask(home, "127.0.8.1", behind(f"198.51.100.{number}")))
            for number in range(5)
        ]
        assert codes == [200, 200, 200, 429, 429]


async def test_guesses_behind_a_proxy_are_counted_by_who_guesses(fleet: Fleet) -> None:
    async with house(fleet, replace(BEHIND, failures=BURST)) as home:
        guess = "Authorization: Bearer " + "0" * 32
        codes = [code(await ask(home, PROXY, behind("198.51.100.7"), guess)) for _ in range(4)]
        assert codes == [401, 401, 401, 429]
        assert code(await ask(home, PROXY, behind("198.51.100.8"), guess)) == 401


async def test_the_log_says_who_asked_behind_the_proxy(fleet: Fleet) -> None:
    async with house(fleet, BEHIND) as home:
        token = await home.token("somebody", Role.ADMIN)
        for place in (PROXY, "127.0.8.1"):
            reader, writer = await asyncio.open_connection(
                *home.server.address, local_addr=(place, 0)
            )
            writer.write(
                b"POST /api/v1/servers/here/check HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                b"X-Forwarded-For: 198.51.100.7\r\nContent-Length: 0\r\n"
                b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
            )
            assert b" 20" in (await reader.read())[:20]
            writer.close()
        asked = [one for one in home.small.base.activity.tail(20) if one.event == "api-asked"]
        assert [one.fields["from"] for one in asked] == ["198.51.100.7", "127.0.8.1"]


async def test_a_proxy_has_as_many_connections_as_it_needs(fleet: Fleet) -> None:
    async with house(fleet, replace(BEHIND, connections_each=4)) as home:
        ways = [
            await asyncio.open_connection(*home.server.address, local_addr=(PROXY, 0))
            for _ in range(12)
        ]
        for number, (reader, writer) in enumerate(ways):
            writer.write(
                f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{behind(f'198.51.100.{number}')}\r\n\r\n".encode()
            )
            async with asyncio.timeout(5):
                assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        for _, writer in ways:
            writer.close()


async def test_idle_strangers_push_no_proxy_out(fleet: Fleet) -> None:
    async with house(fleet, replace(BEHIND, connections=30, header_seconds=60.0)) as home:
        proxied = [
            await asyncio.open_connection(*home.server.address, local_addr=(PROXY, 0))
            for _ in range(20)
        ]
        held = [
            await asyncio.open_connection(*home.server.address, local_addr=("127.0.8.1", 0))
            for _ in range(40)
        ]
        assert code(await ask(home, "127.0.7.1")) == 200
        for reader, writer in proxied:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with asyncio.timeout(5):
                assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        for _, writer in (*proxied, *held):
            writer.close()


async def test_who_asks_behind_a_proxy_has_no_more_requests_open_than_connections_without(
    fleet: Fleet,
) -> None:
    settings: ApiSettings = replace(BEHIND, connections_each=3, streams=100, streams_all=100)
    async with house(fleet, settings) as home:
        held = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(
                *home.server.address, local_addr=(PROXY, 0)
            )
            writer.write(
                f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{behind('198.51.100.7')}\r\n\r\n".encode()
            )
            async with asyncio.timeout(5):
                await reader.readuntil(b"event: ready")
            held.append(writer)
        assert code(await ask(home, PROXY, behind("198.51.100.7"))) == 429
        assert code(await ask(home, PROXY, behind("198.51.100.8"))) == 200
        for writer in held:
            writer.close()

        async def free() -> bool:
            return code(await ask(home, PROXY, behind("198.51.100.7"))) == 200

        await until(free)
