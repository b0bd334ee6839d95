"""A controller that means ill: what it names lies in the folder that was asked for, and what it sends is what it said, or nothing."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from controller.cli.remote.client import Client
from controller.cli.remote.jobs import RemoteJobs
from controller.cli.remote.logs import RemoteLog
from controller.cli.remote.refusals import UnreachedError
from controller.cli.remote.results import results_of
from controller.cli.remote.way import Way
from controller.errors import RefusedError, StateError
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job
from controller.reconcile.exchange.progress import Progress

CONTENT = b"what a job left"


def liar(**documents: object) -> Client:
    """A controller that answers what the end of a path is told to be, and the same bytes for every file."""

    def answer(request: httpx.Request) -> httpx.Response:
        word = request.url.path.rsplit("/", 1)[-1]
        if word in documents:
            return httpx.Response(200, content=json.dumps(documents[word]))
        return httpx.Response(200, content=CONTENT)

    return Client(Way(url="http://127.0.0.1:1"), transport=httpx.MockTransport(answer))


def unheard(_: Progress) -> None:
    pass


def job(id_: str, server: str) -> Job:
    return Job(
        id=JobId(id_),
        run=RunId("run000000001"),
        target=None,
        task="t",
        server=server,
        digest=Digest("d" * 64),
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def result(id_: str, artifact: str, sha256: str | None = None) -> dict[str, object]:
    told = sha256 or hashlib.sha256(CONTENT).hexdigest()
    size = len(CONTENT)
    return {"job": id_, "type": "file", "output": "", "artifact": artifact, "size": size, "sha256": told}  # fmt: skip


def outside(folder: Path, inside: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file() and inside not in one.parents]


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "..", "a//b"])
async def test_names_of_files_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    outdir = tmp_path / "a" / "b"
    client = liar(artifacts=[{"name": name, "size": len(CONTENT)}])
    with pytest.raises(RefusedError):
        await RemoteJobs(client, unheard).fetch(JobId("job000000001"), (), outdir)
    assert not outside(tmp_path, outdir)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b'event: bye\ndata: {"reason": "the controller stops"}\n\n', "the controller stops"),
        (b": still here\n\n", "it hung up"),
        (b"", "it hung up"),
    ],
)
async def test_output_that_is_cut_is_not_taken_for_the_end_of_the_job(
    end: bytes, words: str
) -> None:
    told = {"step": "a", "attempt": 1, "offset": 0, "data": "aGk=", "gap": 0}
    said = b"event: chunk\ndata: " + json.dumps(told).encode() + b"\n\n"

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=said + end)

    client = Client(Way(url="http://127.0.0.1:1"), transport=httpx.MockTransport(answer))
    output = RemoteJobs(client, unheard).logs(JobId("job000000001"), follow=True)
    assert (await anext(output)).data == b"hi"
    with pytest.raises(UnreachedError, match=words):
        await anext(output)


async def test_names_of_servers_stay_in_the_folder(tmp_path: Path) -> None:
    outdir = tmp_path / "a" / "b"
    jobs = [job("job000000001", "../../c"), job("job000000002", "/etc")]
    items = [result(one.id, "result/f") for one in jobs]
    client = liar(results={"items": items, "next": None})
    got = await results_of(client, RunId("run000000001"), jobs, outdir, unheard)
    assert [one.path is not None and one.path.read_bytes() for one in got] == [CONTENT, CONTENT]
    assert not outside(tmp_path, outdir)


async def test_a_result_that_is_not_what_was_said_is_thrown_away(tmp_path: Path) -> None:
    items = [result("job000000001", "result/f", "0" * 64)]
    client = liar(results={"items": items, "next": None})
    with pytest.raises(StateError, match="not what the controller says"):
        await results_of(
            client, RunId("run000000001"), [job("job000000001", "here")], tmp_path, unheard
        )
    assert not outside(tmp_path, tmp_path / "nothing")


async def test_a_file_that_is_longer_than_was_said_is_not_kept(tmp_path: Path) -> None:
    client = liar(artifacts=[{"name": "f", "size": 3}])
    with pytest.raises(StateError):
        await RemoteJobs(client, unheard).fetch(JobId("job000000001"), (), tmp_path)
    assert not (tmp_path / "f").exists()


async def test_what_strangers_are_shown_less_of_is_told_with_the_remedy() -> None:
    line = {"ts": "2026-03-01T12:00:00Z", "seq": 1, "event": "reached"}
    client = liar(connectivity={"items": [line], "next": None}, jobs={"items": [{}], "next": None})
    for asked in (RemoteLog(client, "connectivity").tail(1), RemoteJobs(client, unheard).list()):
        with pytest.raises(UnreachedError) as caught:
            await asked
        assert "CTL_TOKEN" in str(caught.value.hint)
