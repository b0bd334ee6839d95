"""Work that is asked for, followed and changed over HTTP, on a real engine."""

import asyncio
import base64
import json

import pytest

from controller.model.token import Role
from tests.api.serving import House, until

RUN = {"kind": "run", "target": "shop"}


@pytest.fixture
async def operator(home: House) -> str:
    """The token of an operator."""
    return await home.token("op", Role.OPERATOR)


async def ended(home: House, token: str, run: str) -> list[dict[str, object]]:
    """Wait until all jobs of a run have ended."""
    jobs: list[dict[str, object]] = []

    async def over() -> bool:
        jobs[:] = (await home.ask("GET", f"/api/v1/runs/{run}", token=token)).json()["jobs"]
        return all(job["finished_at"] for job in jobs)

    await until(over)
    return jobs


async def begun(home: House, token: str, job: str) -> None:
    """Wait until a job has said something."""

    async def said() -> bool:
        path = f"/api/v1/jobs/{job}/output?format=octets"
        return bool((await home.ask("GET", path, token=token)).content)

    await until(said)


async def test_a_run_is_answered_when_it_is_recorded_and_goes_on(
    home: House, operator: str
) -> None:
    got = await home.ask("POST", "/api/v1/runs", token=operator, json=RUN)
    assert got.status_code == 202
    run = got.json()["run"]
    assert got.headers["location"] == f"/api/v1/runs/{run}"
    assert await home.small.store.runs.get(run) is not None
    (job,) = await ended(home, operator, run)
    assert (job["state"], job["target"], job["exit_code"]) == ("succeeded", "shop", 0)
    recorded = await home.small.store.runs.get(run)
    assert recorded is not None
    assert recorded.actor == "op"
    history = (await home.ask("GET", "/api/v1/targets/shop/history", token=operator)).json()
    assert history[0]["run"] == run
    status = (await home.ask("GET", "/api/v1/status", token=operator)).json()
    assert {one["target"]: one["sync"] for one in status["targets"]}["shop"] == "in-sync"


async def test_exactly_the_plan_that_was_seen_is_carried_out(home: House, operator: str) -> None:
    plan = (await home.ask("POST", "/api/v1/plans", token=operator, json={"refresh": True})).json()
    assert plan["summary"]["add"] == 2
    other = {"kind": "apply", "digest": "0" * 64}
    got = await home.ask("POST", "/api/v1/runs", token=operator, json=other)
    assert (got.status_code, got.json()["reference"]) == (409, "plan-stale")
    assert await home.small.store.runs.list() == ()
    same = {"kind": "apply", "digest": plan["digest"]}
    got = await home.ask("POST", "/api/v1/runs", token=operator, json=same)
    assert got.status_code == 202, got.text
    await ended(home, operator, got.json()["run"])
    got = await home.ask("POST", "/api/v1/runs", token=operator, json={"kind": "apply"})
    assert (got.status_code, got.json()["run"]) == (200, None)


async def test_a_viewer_plans_from_what_is_known_and_opens_no_server(home: House) -> None:
    viewer = await home.token("viewer")
    assert (await home.ask("POST", "/api/v1/plans", token=viewer, json={})).status_code == 200
    opened = await home.ask("POST", "/api/v1/plans", token=viewer, json={"refresh": True})
    assert opened.status_code == 403


async def test_an_idempotency_key_does_a_thing_once(home: House, operator: str) -> None:
    key = {"idempotency-key": "one"}
    got = await asyncio.gather(
        *(home.ask("POST", "/api/v1/runs", token=operator, json=RUN, headers=key) for _ in range(5))
    )
    assert {one.status_code for one in got} <= {202, 409}
    again = await home.ask("POST", "/api/v1/runs", token=operator, json=RUN, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.status_code == 202
    runs = [one.json()["run"] for one in (*got, again) if one.status_code == 202]
    assert len(set(runs)) == 1
    assert len(await home.small.store.runs.list()) == 1
    other = {**RUN, "target": "blog"}
    used = await home.ask("POST", "/api/v1/runs", token=operator, json=other, headers=key)
    assert (used.status_code, used.json()["reference"]) == (422, "idempotency-key-reused")
    else_ = await home.token("else", Role.OPERATOR)
    mine = await home.ask("POST", "/api/v1/runs", token=else_, json=other, headers=key)
    assert mine.status_code == 202, "a key is of one caller"
    await ended(home, operator, mine.json()["run"])
    for bad in ("", "a" * 256, "\x7f"):
        wrong = {"idempotency-key": bad}
        got_ = await home.ask("POST", "/api/v1/runs", token=operator, json=RUN, headers=wrong)
        assert got_.status_code == 400


async def test_what_came_to_nothing_may_be_tried_again_under_its_key(
    home: House, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = home.small.store.runs.add
    with monkeypatch.context() as broken:

        async def fail(*_: object) -> bool:
            raise ZeroDivisionError

        broken.setattr(type(home.small.store.runs), "add", fail)
        key = {"idempotency-key": "two"}
        got = await home.ask("POST", "/api/v1/runs", token=operator, json=RUN, headers=key)
        assert got.status_code == 500
    assert real is not None
    got = await home.ask("POST", "/api/v1/runs", token=operator, json=RUN, headers=key)
    assert got.status_code == 202
    await ended(home, operator, got.json()["run"])


async def test_output_is_followed_and_gone_on_with(home: House, operator: str) -> None:
    body = {"kind": "run", "task": "hello", "on": "here"}
    run = (await home.ask("POST", "/api/v1/runs", token=operator, json=body)).json()
    path = f"/api/v1/jobs/{run['jobs'][0]['id']}/output"
    whole, place, end = b"", "", None
    headers = {"authorization": f"Bearer {operator}"}
    async with (
        asyncio.timeout(20),
        home.client.stream("GET", f"{path}?follow=true", headers=headers) as stream,
    ):
        kind = ""
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            kind = value if name == "event" else kind
            place = value if name == "id" else place
            if name == "data" and kind == "chunk":
                whole += base64.b64decode(json.loads(value)["data"])
            if name == "data" and kind == "end":
                end = json.loads(value)
    assert whole == b"hello\nsecret-output\n"
    assert end is not None
    assert end["state"] == "succeeded"
    rest = await home.ask("GET", path, headers={**headers, "last-event-id": place})
    assert "chunk" not in rest.text
    octets = await home.ask("GET", f"{path}?format=octets&offset=6", token=operator)
    assert octets.content == b"secret-output\n"
    assert octets.headers["content-disposition"] == "attachment"
    for bad in ("x", "AAAA", "a" * 100):
        got = await home.ask("GET", path, headers={**headers, "last-event-id": bad})
        assert got.status_code == 400


async def test_a_job_is_stopped_and_its_work_run_again(home: House, operator: str) -> None:
    body = {"kind": "run", "task": "slow", "on": "here"}
    run = (await home.ask("POST", "/api/v1/runs", token=operator, json=body)).json()
    id_ = run["jobs"][0]["id"]
    await begun(home, operator, id_)
    early = await home.ask("POST", f"/api/v1/jobs/{id_}/retry", token=operator, json={})
    assert early.status_code == 409
    stopped = await home.ask("POST", f"/api/v1/jobs/{id_}/stop", token=operator, json={"grace": 1})
    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled"), stopped.text
    again = await home.ask("POST", f"/api/v1/jobs/{id_}/retry", token=operator, json={})
    assert again.status_code == 202
    job = again.json()["jobs"][0]["id"]
    await begun(home, operator, job)
    await home.ask("POST", f"/api/v1/jobs/{job}/stop", token=operator, json={"grace": 0})
    archived = await home.ask("POST", f"/api/v1/jobs/{id_}/archive", token=operator)
    assert archived.json()["archived"]["path"]
    shown = await home.ask("GET", f"/api/v1/jobs/{id_[:8]}/output?format=octets", token=operator)
    assert shown.content == b"begun\n"


async def test_a_typed_command_reads_its_input(home: House) -> None:
    maker = await home.token("maker", Role.OPERATOR)
    stdin = base64.b64encode(b"from stdin\n").decode()
    body = {"on": "here", "command": ["cat", "-"], "stdin": stdin}
    got = await home.ask("POST", "/api/v1/jobs", token=maker, json=body)
    assert got.status_code == 202, got.text
    (job,) = await ended(home, maker, got.json()["run"])
    assert (job["owner"], job["target"]) == ("maker", None)
    path = f"/api/v1/jobs/{job['id']}/output?format=octets"
    assert (await home.ask("GET", path, token=maker)).content == b"from stdin\n"
    for wrong in (
        {"on": "here"},
        {"on": "here", "run": "true", "command": ["true"]},
        {"on": "nobody", "run": "true"},
    ):
        got = await home.ask("POST", "/api/v1/jobs", token=maker, json=wrong)
        assert got.status_code in {404, 422}, wrong


async def test_jobs_come_in_pages_without_gaps_and_without_doubles(
    home: House, operator: str
) -> None:
    for _ in range(3):
        body = {"kind": "run", "task": "hello", "on": "here"}
        got = await home.ask("POST", "/api/v1/runs", token=operator, json=body)
        await ended(home, operator, got.json()["run"])
    seen, cursor = [], ""
    while True:
        page = (await home.ask("GET", f"/api/v1/jobs?limit=1{cursor}", token=operator)).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    whole = (await home.ask("GET", "/api/v1/jobs", token=operator)).json()
    assert seen == [one["id"] for one in whole["items"]]
    assert len(set(seen)) == 3
    assert whole["next"] is None
    runs = (await home.ask("GET", "/api/v1/runs?limit=2", token=operator)).json()
    more = (
        await home.ask("GET", f"/api/v1/runs?limit=2&cursor={runs['next']}", token=operator)
    ).json()
    assert len({one["id"] for one in runs["items"] + more["items"]}) == 3
    none = await home.ask("GET", "/api/v1/jobs?state=failed", token=operator)
    assert none.json()["items"] == []
    foreign = await home.ask("GET", f"/api/v1/jobs?cursor={runs['next']}", token=operator)
    assert foreign.status_code == 400


async def test_decisions_about_a_target_count_at_once(home: House, operator: str) -> None:
    path = "/api/v1/targets/shop"
    done = await home.ask("POST", f"{path}/suspend", token=operator, json={"reason": "audit"})
    assert done.json()["suspension"]["by"] == "op"
    status = (await home.ask("GET", path, token=operator)).json()["status"]
    assert status["health"] == "suspended"
    gates = (await home.ask("GET", "/api/v1/why?target=shop&server=here", token=operator)).json()
    assert gates["blocked_by"] == "suspended"
    past = {"reason": "late", "until": "2001-01-01T00:00:00Z"}
    assert (await home.ask("POST", f"{path}/suspend", token=operator, json=past)).status_code == 422
    lifted = await home.ask("POST", f"{path}/resume", token=operator, json={"reason": "done"})
    assert lifted.json()["lifted"]["reason"] == "audit"
    assert ("target/shop", 0.0) in home.small.pokes
    nobody = await home.ask(
        "POST", "/api/v1/targets/none/suspend", token=operator, json={"reason": "x"}
    )
    assert nobody.status_code == 404
    assert nobody.json()["reference"] == "not-found"


async def test_a_server_is_checked_now(home: House, operator: str) -> None:
    done = (await home.ask("POST", "/api/v1/servers/here/check", token=operator)).json()
    assert (done["observed"]["reached"], done["exit_code"]) == (True, 0)
    assert "load" in done["output"]
    assert ("server/here", 0.0) in home.small.pokes
    shown = (await home.ask("GET", "/api/v1/servers/here", token=operator)).json()
    assert shown["observed"]["reached"] is True


async def test_news_go_on_where_they_broke_off_and_say_when_they_cannot(
    home: House, operator: str
) -> None:
    now = home.small.clock.now()
    room = home.small.store.newsroom
    await room.append(now, [("target", f"t{at}", {"target": f"t{at}"}) for at in range(3)])

    async def told(last: str, count: int) -> list[str]:
        headers = {"authorization": f"Bearer {operator}", "last-event-id": last}
        kinds: list[str] = []
        async with (
            asyncio.timeout(10),
            home.client.stream("GET", "/api/v1/events", headers=headers) as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith(("event: ", "id: ")):
                    kinds.append(line)
                if len(kinds) >= count:
                    break
        return kinds

    assert await told("1", 6) == [
        "id: 1",
        "event: ready",
        "id: 2",
        "event: target",
        "id: 3",
        "event: target",
    ]
    assert await told("99", 2) == ["id: 3", "event: reset"]
    got = await home.ask("GET", "/api/v1/events", token=operator, headers={"last-event-id": "-1"})
    assert got.status_code == 400
