"""What the API says of itself: OpenAPI that is checked in, a manual for people, numbers for Prometheus, and the plain page."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.api.app import routed
from controller.api.table import ROUTES
from controller.model.serving import Contact, Part
from controller.model.token import Role
from tests.api.serving import House
from tests.api.test_work import ended

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"


def written() -> str:
    """Write the description as it is checked in."""
    return json.dumps(routed().openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def test_what_is_checked_in_is_what_is_served() -> None:
    """After a change: .venv/bin/python -c 'from tests.api.test_described import *; CHECKED_IN.write_text(written())'."""
    assert CHECKED_IN.read_text() == written()


def test_every_route_is_described_and_nothing_else() -> None:
    described = {
        (method.upper(), path)
        for path, methods in routed().openapi()["paths"].items()
        for method in methods
    }
    declared = {(r.method, r.path.replace(":path", "")) for r in ROUTES if r.method != "HEAD"}
    assert described == declared
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_every_operation_says_what_it_does_who_may_and_how_it_refuses() -> None:
    for path, methods in routed().openapi()["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith((".", ":", "…")) or len(operation["summary"]) > 10
            assert operation["x-needs"], path
            assert "security" in operation
            for status, answer in operation["responses"].items():
                assert answer["description"], (path, method)
                if int(status) >= 400:
                    assert "application/problem+json" in answer["content"]


def test_no_reference_of_the_description_leads_nowhere() -> None:
    schema = routed().openapi()
    names = set(re.findall('"#/components/schemas/([^"]+)"', json.dumps(schema)))
    assert names <= schema["components"]["schemas"].keys()


async def test_people_read_the_same_without_a_script(home: House) -> None:
    page = await home.ask("GET", "/docs")
    for route in ROUTES:
        if route.method != "HEAD":
            assert route.path.replace(":path", "") in page.text
    assert "https://" not in page.text.replace("https://git.example.com", ""), (
        "nothing comes from elsewhere"
    )
    assert (await home.ask("GET", "/openapi.json")).json() == routed().openapi()


async def test_numbers_have_names_helps_and_types_as_prometheus_wants_them(home: House) -> None:
    home.small.counts.note("target", "done", 0.2)
    home.small.counts.fire("inputs", 3)
    now = home.small.clock.now()
    await home.small.store.contacts.put(
        [Contact(server="here", reached=False, since=now, checked_at=now, down=True)]
    )
    await home.ask("GET", "/api/v1/status")
    text = (await home.ask("GET", "/metrics")).text
    families = list(text_string_to_metric_families(text))
    seen = set()
    for family in families:
        assert re.fullmatch("ctl_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name
        assert family.name not in seen, "a family is told once"
        seen.add(family.name)
        assert family.type in {"counter", "gauge", "histogram"}, family.name
        unit = family.name.rsplit("_", 1)[-1]
        assert unit not in {"total", "count", "sum", "bucket", "ms", "milliseconds", "minutes"}
        for sample in family.samples:
            assert not sample.labels.keys() & {"job", "run", "token", "instance"}
    values = {(s.name, *sorted(s.labels.values())): s.value for f in families for s in f.samples}
    assert values["ctl_jobs_recorded_total", "inputs"] == 3
    assert values["ctl_server_down", "here"] == 1
    assert values["ctl_target_sync", "pending"] + values["ctl_target_sync", "unknown"] == 2
    assert values["ctl_http_requests_total", "2xx", "status"] == 1
    assert values["ctl_reconcile_duration_seconds_count", "done", "target"] == 1


async def test_health_tells_which_parts_run(home: House) -> None:
    now = home.small.clock.now()
    part = Part(
        name="worker", instance="i", host="h", pid=1, version="1", started_at=now, seen_at=now
    )
    await home.small.store.parts.beat(part)
    told = (await home.ask("GET", "/health")).json()
    assert (told["status"], told["parts"][0]["running"]) == ("ok", True)
    assert "host" not in told["parts"][0]


async def test_health_forgets_whom_a_restart_replaced_but_no_other(home: House) -> None:
    now = home.small.clock.now()

    def part(name: str, instance: str, host: str, began: int, seen: int) -> Part:
        times = [now - timedelta(seconds=ago) for ago in (began, seen)]
        return Part(
            name=name, instance=instance, host=host, pid=1, version="1",
            started_at=times[0], seen_at=times[1],
        )  # fmt: skip

    gone = part("worker", "a", "h", 900, 300)
    for one in (gone, part("worker", "b", "h", 290, 0), part("worker", "c", "other", 290, 0)):
        await home.small.store.parts.beat(one)
    told = (await home.ask("GET", "/health")).json()
    assert (told["status"], [one["running"] for one in told["parts"]]) == ("ok", [True, True])
    await home.small.store.parts.beat(part("worker", "d", "other", 900, 200))
    told = (await home.ask("GET", "/health")).json()
    assert told["status"] == "degraded"
    assert [one["running"] for one in told["parts"]] == [True, True, False]


async def test_the_page_shows_how_everything_stands_and_text_as_text(home: House) -> None:
    operator = await home.token("op", Role.OPERATOR)
    run = await home.ask(
        "POST", "/api/v1/runs", token=operator, json={"kind": "run", "target": "shop"}
    )
    await ended(home, operator, run.json()["run"])
    forged = {"reason": "<script>alert(1)</script>\u202e\x1b[31m"}
    await home.ask("POST", "/api/v1/targets/shop/suspend", token=operator, json=forged)
    page = (await home.ask("GET", "/", token=operator)).text
    for word in (
        "shop",
        "in-sync",
        "suspended",
        "here",
        "target-suspended",
        "succeeded",
        "applied",
    ):
        assert word in page, word
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    stranger = (await home.ask("GET", "/")).text
    assert "alert(1)" not in stranger
    assert "target-suspended" in stranger


@pytest.mark.parametrize(
    "path", ["/style.css", "/icon.svg", "/openapi.json", "/version", "/heartbeat"]
)
async def test_what_is_open_to_everybody_needs_nothing(home: House, path: str) -> None:
    assert (await home.ask("GET", path)).status_code in {200, 204}
