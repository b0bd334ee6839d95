"""A task's body that is sent over HTTP: what declared tasks can, by the same rules, and by those alone who may."""

import pytest

from controller.model.token import Role
from tests.api.serving import House
from tests.api.test_work import ended

JOBS = "/api/v1/jobs"


@pytest.fixture
async def maker(home: House) -> str:
    """The token of somebody with the right `adhoc`."""
    return await home.token("maker", Role.OPERATOR)


async def test_steps_run_in_their_order_with_parameters_and_values(home: House, maker: str) -> None:
    task = {
        "params": {"word": {"type": "string"}, "times": {"type": "integer", "default": 2}},
        "env": {"WORD": "{{ params.word }}"},
        "steps": {
            "last": {"run": 'echo "$CTL_OUT_FIRST_SAID $CTL_PARAM_TIMES"', "needs": ["first"]},
            "first": {"run": 'echo "said=$WORD" >> "$CTL_OUTPUT"', "needs": []},
        },
    }
    body = {"on": "here", "task": task, "params": {"word": "{{ 1 }}"}}
    got = await home.ask("POST", JOBS, token=maker, json=body)
    assert got.status_code == 202, got.text
    (job,) = await ended(home, maker, got.json()["run"])
    assert (job["state"], job["task"], job["target"]) == ("succeeded", "ad-hoc", None)
    path = f"{JOBS}/{job['id']}/output?format=octets"
    assert (await home.ask("GET", path, token=maker)).content == b"{{ 1 }} 2\n"


async def test_what_is_wrong_is_told_with_its_place_and_nothing_is_recorded(
    home: House, maker: str
) -> None:
    steps = {"a": {"run": "x", "needs": ["b"]}, "c": {"rnu": "y"}}
    got = await home.ask("POST", JOBS, token=maker, json={"on": "here", "task": {"steps": steps}})
    told = got.json()
    assert (got.status_code, told["reference"]) == (422, "task-invalid")
    assert told["errors"][0]["at"] == "body/task/steps/c/rnu"
    assert told["errors"][0]["hint"] == "did you mean run?"
    task = {"run": "echo {{ vars.nothing }}"}
    got = await home.ask("POST", JOBS, token=maker, json={"on": "here", "task": task})
    assert (got.status_code, got.json()["errors"][0]["at"]) == (422, "body/task/run")
    assert await home.small.store.runs.list() == ()


@pytest.mark.parametrize(
    "task",
    [
        {"run": "id", "user": "root"},
        {"steps": {"a": {"run": "id", "user": "root"}}},
        {"run": "id", "user": "{{ 'maker' }}"},
        {"run": "id", "user": ""},
    ],
)
async def test_nobody_becomes_somebody_else_by_a_line_of_the_task(
    home: House, maker: str, task: dict[str, object]
) -> None:
    got = await home.ask("POST", JOBS, token=maker, json={"on": "here", "task": task})
    assert got.status_code == 403, got.text
    assert await home.small.store.runs.list() == ()


async def test_a_secret_is_nothing_to_ask_for(home: House, maker: str) -> None:
    task = {"run": "env", "secrets": {"A": "hook-secret"}}
    got = await home.ask("POST", JOBS, token=maker, json={"on": "here", "task": task})
    assert (got.status_code, got.json()["errors"][0]["code"]) == (422, "only-declared")
    for text in ("{{ secret('hook-secret') }}", "echo {{ secret('hook-secret') }}"):
        task = {"run": text}
        got = await home.ask("POST", JOBS, token=maker, json={"on": "here", "task": task})
        assert got.status_code == 422


async def test_there_is_one_thing_to_run(home: House, maker: str) -> None:
    task = {"run": "true"}
    for other in ({"run": "true"}, {"command": ["true"]}, {"script": "x"}, {"limits": {"pids": 9}}):
        body = {"on": "here", "task": task, **other}
        got = await home.ask("POST", JOBS, token=maker, json=body)
        assert (got.status_code, got.json()["reference"]) == (422, "usage"), other
    for bad in ("{}", '{"run": "x", "env": {"A": 1e999}}', '"true"', '["true"]', "null"):
        text = f'{{"on": "here", "task": {bad}}}'.encode()
        kind = {"content-type": "application/json"}
        got = await home.ask("POST", JOBS, token=maker, content=text, headers=kind)
        assert got.status_code == 422, bad
