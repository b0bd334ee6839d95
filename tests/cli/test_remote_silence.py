"""A controller that falls silent, goes away, or is none: said with its place and a remedy, within bounds, and never as if work had ended."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import httpx
import pytest

from controller.cli.exitcodes import ExitCode, GoesOnError, of_error
from controller.cli.remote import client as asking, jobs as following
from controller.cli.remote.client import Client
from controller.cli.remote.jobs import RemoteJobs
from controller.cli.remote.refusals import UnreachedError
from controller.cli.remote.tokens import RemoteTokens
from controller.cli.remote.way import Way, way_of
from controller.errors import NotFoundError, RefusedError, UsageError
from controller.model.ids import JobId, RunId
from controller.reconcile.exchange.progress import Progress
from controller.settings import Person, Settings, Token, Where

URL = "http://127.0.0.1:1"
RUN = {"id": "run000000001", "actor": "a", "created_at": "2026-03-01T12:00:00Z", "finished_at": "2026-03-01T12:00:01Z", "jobs": []}  # fmt: skip

NOWHERE = Path("/nowhere")
Answer = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def unheard(_: Progress) -> None:
    pass


def speaking(answer: Answer) -> Client:
    return Client(Way(url=URL), transport=httpx.MockTransport(answer))


async def asked(answer: Answer) -> object:
    async with speaking(answer) as client:
        return await client.get("/api/v1/status")


def always(response: httpx.Response) -> Answer:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return response

    return answer


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<h1>Welcome</h1>"),
        httpx.Response(404, html="<h1>Not Found</h1>"),
        httpx.Response(302, headers={"location": "https://example.net/"}),
        httpx.Response(502, html="<h1>Bad Gateway</h1>"),
    ],
    ids=lambda response: str(response.status_code),
)
async def test_another_program_there_is_named_by_its_place(response: httpx.Response) -> None:
    with pytest.raises(UnreachedError, match=URL) as caught:
        await asked(always(response))
    assert "is it a controller" in str(caught.value.hint)


async def test_what_is_wrong_with_an_answer_is_said_with_the_place() -> None:
    with pytest.raises(UnreachedError, match=f"{URL}: cannot read"):
        async with speaking(always(httpx.Response(200, json=[]))) as client:
            await client.pages("/api/v1/jobs")
    problem = {"detail": "the token is not good", "reference": "no-token"}
    with pytest.raises(RefusedError, match=f"{URL}: the token is not good") as caught:
        await asked(always(httpx.Response(401, json=problem)))
    assert "CTL_TOKEN" in str(caught.value.hint)


async def test_one_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 1 << 20)
    await asked(always(httpx.Response(200, content=b'"' + b"x" * 1000 + b'"')))
    with pytest.raises(UnreachedError, match="more than 1 MiB"):
        await asked(always(httpx.Response(200, content=b'"' + b"x" * (1 << 20) + b'"')))


async def test_silence_is_waited_out_only_while_a_controller_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "SILENCE_SECONDS", 0.01)
    there, enough = True, asyncio.Event()
    signs = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal signs
        if request.url.path == "/healthz":
            signs += 1
            if signs == 3:
                enough.set()
            if there:
                return httpx.Response(200)
            raise httpx.ReadTimeout("")
        await enough.wait()
        return httpx.Response(200, json={})

    assert await asked(answer) == {}
    there = False
    enough.clear()
    with pytest.raises(UnreachedError, match=f"{URL}: no answer in time"):
        await asyncio.wait_for(asked(answer), timeout=10)


@pytest.mark.parametrize("data", ["{", "[]", '{"step": "a"}', '{"step":"a","attempt":"x","offset":0,"gap":0,"data":""}'])  # fmt: skip
async def test_output_that_is_none_is_told_as_such(data: str) -> None:
    said = f"event: chunk\ndata: {data}\n\nevent: end\ndata: {{}}\n\n"
    async with speaking(always(httpx.Response(200, text=said))) as client:
        output = RemoteJobs(client, unheard).logs(JobId("job000000001"), follow=True)
        with pytest.raises(UnreachedError):
            await anext(output)


async def test_a_controller_that_comes_back_ends_the_waiting_for_its_run() -> None:
    away = iter([True, True])

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if next(away, False):
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=RUN)

    async with speaking(answer) as client:
        report = await RemoteJobs(client, unheard).follow({"run": RUN["id"]})
    assert report.run is not None


async def test_one_that_stays_away_is_no_end_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACK_SECONDS", 0.0)

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        raise httpx.ConnectError("refused")

    async with speaking(answer) as client:
        with pytest.raises(GoesOnError) as caught:
            await RemoteJobs(client, unheard).follow({"run": RUN["id"]})
    assert of_error(caught.value) is ExitCode.WAITING
    assert "ctl jobs list --run run000000001" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["a\nb", "tök", "  ", "two words", "\x01"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="cannot use CTL_TOKEN") as caught:
        way_of(settings(text))
    assert text.strip() not in caught.value.message or not text.strip()


def test_a_token_may_have_the_end_of_its_line() -> None:
    assert way_of(settings("abc\n")).token == "abc"  # noqa: S105  # of nothing


def settings(token: str) -> Settings:
    person = Person(name="a", host="b", home=NOWHERE, config=NOWHERE, cache=NOWHERE)
    return Settings(where=Where(controller=URL), token=Token(value=token), person=person)


async def test_what_can_be_no_id_is_not_there_as_it_is_not_here() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        raise AssertionError(f"nobody asks for {request.url}")

    async with speaking(answer) as client:
        assert await RemoteJobs(client, unheard).list(run=RunId("nope")) == ()
        for odd in ("nope", "", "a/b/c/d/", "12345678/"):
            with pytest.raises(NotFoundError, match="there is no token"):
                await RemoteTokens(client).revoke(odd, by="a")
