"""`/debug`: there when it is asked for, for admins alone, and nothing of what the program holds is told."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from controller.api import profiling
from controller.api.table import DEBUG
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet

PATHS = [route.path for route in DEBUG]


@pytest.fixture
async def open_house(fleet: Fleet) -> AsyncIterator[House]:
    """A controller with --debug."""
    async with house(fleet, replace(QUICK, debug=True)) as made:
        yield made


async def test_without_the_flag_there_is_nothing(home: House) -> None:
    admin = await home.token("admin", Role.ADMIN)
    for path in PATHS:
        assert (await home.ask("GET", path, token=admin)).status_code == 404


async def test_only_admins_of_the_whole_fleet_look(open_house: House) -> None:
    asking = {
        "none": (None, 401),
        "viewer": (await open_house.token("viewer"), 403),
        "operator": (await open_house.token("operator", Role.OPERATOR), 403),
        "scoped": (await open_house.token("scoped", Role.ADMIN, targets="shop"), 403),
        "admin": (await open_house.token("admin", Role.ADMIN), 200),
    }
    for path in PATHS:
        for who, (token, status) in asking.items():
            query = "?seconds=0.05" if path.endswith("profile") else ""
            got = await open_house.ask("GET", path + query, token=token)
            assert got.status_code == status, (path, who, got.text)
    activity = [line["event"] async for line in lines(open_house)]
    assert activity.count("api-asked") == 2 * len(PATHS), "of those who were let in"
    described = (await open_house.ask("GET", "/openapi.json")).json()
    assert not [path for path in described["paths"] if path.startswith("/debug")]


async def lines(home: House) -> AsyncIterator[dict[str, object]]:
    token = await home.token("admin", Role.ADMIN)
    got = await home.ask("GET", "/api/v1/logs/activity?limit=200", token=token)
    for line in got.json()["items"]:
        yield line


CANARY = "canary-" + "local"
"""Put together, so that no line of source holds it."""


@asynccontextmanager
async def lingering() -> AsyncIterator[None]:
    """Have a thread and a task wait that hold something nobody else shall see."""
    ready, stop = threading.Event(), threading.Event()

    def linger(held: str) -> None:
        ready.set()
        stop.wait(30)

    async def wait(held: str) -> None:
        await asyncio.sleep(30)

    thread = threading.Thread(target=linger, args=(CANARY,), name="lingers")
    thread.start()
    task = asyncio.create_task(wait(CANARY))
    try:
        await asyncio.to_thread(ready.wait)
        yield
    finally:
        stop.set()
        task.cancel()
        await asyncio.to_thread(thread.join)


async def test_what_is_told_names_functions_and_no_value(open_house: House) -> None:
    admin = await open_house.token("admin", Role.ADMIN)
    seconds = {"/debug/profile": "?seconds=0.2", "/debug/memory": "?seconds=0.2"}
    async with lingering():
        got = {
            path: await open_house.ask("GET", path + seconds.get(path, ""), token=admin)
            for path in PATHS
        }
    told = "".join(one.text for one in got.values())
    assert CANARY not in told
    assert admin not in told
    (one,) = [one for one in got["/debug/threads"].json() if one["name"] == "lingers"]
    assert any("linger (" in frame for frame in one["stack"])
    tasks = got["/debug/tasks"].json()
    assert tasks["count"] == len(tasks["tasks"])
    assert [name for name in tasks["by"] if name.endswith("wait")]
    sampled = [line for line in got["/debug/profile"].text.splitlines() if "linger (" in line]
    assert sum(int(line.rpartition(" ")[2]) for line in sampled) > 0
    memory = got["/debug/memory"].json()
    assert memory["status"]["resident"] > 1 << 20
    assert memory["objects"] >= sum(memory["by"].values()) > 1000
    assert memory["allocated"][0]["bytes"] > 0


async def test_one_looks_at_a_time_and_no_longer_than_may_be(open_house: House) -> None:
    admin = await open_house.token("admin", Role.ADMIN)
    path = "/debug/profile?seconds="
    looking = asyncio.create_task(open_house.ask("GET", f"{path}1", token=admin))
    await asyncio.sleep(0.3)
    for second in (f"{path}0.1", "/debug/memory?seconds=0.1"):
        got = await open_house.ask("GET", second, token=admin)
        assert (got.status_code, got.json()["reference"]) == (409, "busy")
    assert (await looking).status_code == 200
    assert (await open_house.ask("GET", f"{path}0.1", token=admin)).status_code == 200
    for bad in ("60.1", "-1", "nan", "inf", "x"):
        assert (await open_house.ask("GET", path + bad, token=admin)).status_code == 422


async def test_a_look_ends_with_the_controller(open_house: House) -> None:
    admin = await open_house.token("admin", Role.ADMIN)
    looking = asyncio.create_task(open_house.ask("GET", "/debug/profile?seconds=60", token=admin))
    await asyncio.sleep(0.3)
    open_house.server.stop()
    async with asyncio.timeout(5):
        assert (await looking).status_code == 200


def test_a_profile_is_bounded_in_its_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "MOST_STACKS", 0)
    stopped = threading.Event()
    timer = threading.Timer(0.1, stopped.set)
    timer.start()
    text = profiling.profile(stopped)
    timer.join()
    assert [line.rpartition(" ")[0] for line in text.splitlines()] == ["others"]


def test_paths_leave_out_where_programs_are_installed() -> None:
    assert profiling.short("/opt/x/controller/api/app.py") == "controller/api/app.py"
    assert profiling.short("/v/lib/site-packages/httpx/_api.py") == "httpx/_api.py"
    assert profiling.short("/usr/lib/python3.11/threading.py") == "python3.11/threading.py"
