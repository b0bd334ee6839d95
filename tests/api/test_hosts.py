"""By which names a controller is known to strangers: whoever points a name of theirs at it is shown nothing by that name."""

from dataclasses import replace

import httpx
import pytest

from controller.api.hosts import Hosts
from controller.api.settings import Anonymous, ApiSettings
from tests.api.conftest import QUICK
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet

NAMED = ApiSettings(
    names=("0.0.0.0", "Build-7", "ctl.lan"),  # noqa: S104  # what somebody listens on
    origins=("https://ctl.example.com", "http://ctl.example.com:8420", "http://[::1]:8420"),
)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8420", "127.0.0.1", "10.0.0.7:80", "[::1]:8420", "[fd00::7]", "localhost", "LOCALHOST:8420", "localhost.:1",
        "build-7:8420", "ctl.lan", "CTL.example.com", "ctl.example.com:443", "ctl.example.com.", "127.0.0.1:",
    ],
)  # fmt: skip
def test_addresses_and_our_own_names_are_known(host: str) -> None:
    assert Hosts(NAMED).hold(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "page.example.net", "page.example.net:8420", "ctl.example.com.example.net", "xctl.example.com", "example.com", "",
        "localhost.example.net", "127.0.0.1.example.net", "127.0.0.1@page.example.net", "127.0.0.1:80@page.example.net",
        "page.example.net#127.0.0.1", "127.0.0.1, page.example.net", "[page.example.net]", "[::1].example.net", "::1",
        "127.0.0.1:80:80", "0x7f.1", "2130706433", "127.1", "build-7.example.net", ":8420", "\\xff", "a.localhost",
    ],
)  # fmt: skip
def test_no_other_name_is_known(host: str) -> None:
    assert not Hosts(NAMED).hold(host.encode("latin-1"))


def test_who_sends_no_host_at_all_is_no_browser() -> None:
    assert Hosts(ApiSettings()).hold(None)


async def test_a_page_of_a_stranger_reads_nothing_by_its_own_name(fleet: Fleet) -> None:
    told = replace(QUICK, anonymous=Anonymous.FULL, origins=("http://ctl.example.com:8420",))
    async with house(fleet, told) as home:
        for host, code in (
            ("page.example.net:8420", 401),
            ("127.0.0.1:8420", 200),
            ("ctl.example.com:8420", 200),
        ):
            assert (await by_name(home, host, "/api/v1/status")).status_code == code, host
        refused = (await by_name(home, "page.example.net", "/api/v1/targets")).json()
        assert (refused["reference"], "--origin" in refused["hint"]) == ("no-token", True)
        for path in ("/healthz", "/readyz", "/version", "/login", "/openapi.json"):
            assert (await by_name(home, "page.example.net", path)).status_code == 200, path
        page = await home.ask(
            "GET", "/", headers={"accept": "text/html", "host": "page.example.net"}
        )
        assert (page.status_code, page.headers["location"]) == (303, "/login")
        viewer = await home.token("viewer")
        got = await home.ask(
            "GET", "/api/v1/status", token=viewer, headers={"host": "page.example.net"}
        )
        assert got.status_code == 200


async def by_name(home: House, host: str, path: str) -> httpx.Response:
    return await home.ask("GET", path, headers={"host": host})
