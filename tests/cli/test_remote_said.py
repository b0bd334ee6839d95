"""Requests to a serving controller hold what a person said and nothing else, so that an older one meets no key it does not know."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
import pytest
from pydantic import BaseModel

from controller.api import bodies
from controller.cli.remote import said
from controller.cli.remote.client import Client
from controller.cli.remote.controller import RemoteController
from controller.cli.remote.way import Way
from controller.errors import ControllerError
from controller.model.ids import JobId
from controller.model.token import Role
from controller.reconcile.exchange.progress import Progress
from controller.reconcile.exchange.requests import PlanRequest, RunRequest

JOB = JobId("job000000001")
UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
Ask = Callable[[RemoteController], Awaitable[object]]

BARE: list[tuple[Ask, dict[str, object]]] = [
    (lambda there: there.plan(PlanRequest(refresh=False)), {}),
    (lambda there: there.plan(PlanRequest()), {"refresh": True}),
    (lambda there: there.run(RunRequest(target="shop")), {"kind": "run", "target": "shop"}),
    (lambda there: there.run(RunRequest(task="up")), {"kind": "run", "task": "up"}),
    (lambda there: there.run(RunRequest(words=("id",))), {"run": "id"}),
    (lambda there: there.jobs.retry(JOB), {}),
    (lambda there: there.jobs.stop(JOB), {}),
    (lambda there: there.jobs.pause(JOB), {}),
    (lambda there: there.jobs.feed(JOB, b"", close=True), {"close": True}),
    (lambda there: there.resume("shop"), {}),
    (lambda there: there.suspend("shop", reason="r"), {"reason": "r"}),
    (lambda there: there.rollback("shop", to="v1", reason="r"), {"to": "v1", "reason": "r"}),
    (lambda there: there.check_repo("app"), {}),
    (lambda there: there.check_config(), {}),
    (
        lambda there: there.show_drift_again("shop", "web-1", path=None),
        {"target": "shop", "server": "web-1"},
    ),
    (
        lambda there: there.tokens.create(name="ci", role=Role.VIEWER, by="me"),
        {"name": "ci", "role": "viewer"},
    ),
    (lambda there: there.tokens.rotate("12345678", grace=timedelta(days=1), by="me"), {}),
]
SPOKEN: list[tuple[Ask, dict[str, object]]] = [
    (lambda there: there.jobs.stop(JOB, grace=0.0), {"grace": 0.0}),
    (
        lambda there: there.tokens.rotate("12345678", grace=timedelta(0), by="me"),
        {"grace": 0.0},
    ),
    (lambda there: there.plan(PlanRequest(refresh=False, limit="")), {"limit": ""}),
    (
        lambda there: there.run(RunRequest(task="up", on="", params={"p": ""}, parallel=1)),
        {"kind": "run", "task": "up", "on": "", "params": {"p": ""}, "parallel": 1},
    ),
    # An empty selector is nobody's wish for all servers.
    (lambda there: there.run(RunRequest(words=("id",), on="")), {"on": "", "run": "id"}),
]


def unheard(_: Progress) -> None:
    pass


async def sent_by(ask: Ask) -> Mapping[str, object]:
    """Ask something of a controller that refuses everything; give the first body that it got."""
    got: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        got.append(json.loads(request.content))
        return httpx.Response(HTTPStatus.CONFLICT, json={"detail": "no"})

    client = Client(Way(url="http://127.0.0.1:1"), transport=httpx.MockTransport(answer))
    with pytest.raises(ControllerError):
        await ask(RemoteController(client, unheard))
    await client.close()
    return got[0]


@pytest.mark.parametrize(("ask", "body"), BARE)
async def test_what_nobody_said_is_not_sent(ask: Ask, body: dict[str, object]) -> None:
    assert await sent_by(ask) == body


@pytest.mark.parametrize(("ask", "body"), SPOKEN)
async def test_nothing_that_was_said_is_left_out(ask: Ask, body: dict[str, object]) -> None:
    assert await sent_by(ask) == body


@pytest.mark.parametrize(
    ("body", "name", "usual"),
    [
        (bodies.ApplyBody, "parallel", said.PARALLEL),
        (bodies.RunBody, "parallel", said.PARALLEL),
        (bodies.AdhocBody, "parallel", said.PARALLEL),
        (bodies.StopBody, "grace", said.STOP_GRACE),
        (bodies.RotateBody, "grace", said.ROTATE_GRACE),
        (bodies.PauseBody, "seconds", 0.0),
    ],
)
def test_what_is_usual_here_is_usual_there(body: type[BaseModel], name: str, usual: float) -> None:
    assert body.model_fields[name].default == usual
