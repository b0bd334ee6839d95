"""`ctl run --controller`: what jobs gave back comes to whoever asked, by its type, and files into their folder."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from controller.api.settings import Rate
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.remote import Person, person
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet, Seen

DECLARED = """\
tasks:
  says: {run: "echo hello; echo world"}
  number: {run: "echo noise; echo 42", result: {type: metric}}
  rows: {run: "printf 'a 1\\nbb 22\\n'", result: {type: table}}
  report: {run: "head -c 300000 /dev/zero | tr '\\\\0' x > out.txt", workdir: FOLDER, result: {type: file, file: FOLDER/out.txt}}
  leaves: {run: "mkdir -p $CTL_ARTIFACTS/a/b; echo deep > $CTL_ARTIFACTS/a/b/c; echo flat > $CTL_ARTIFACTS/d"}
  greets: {params: {name: {type: string}}, run: 'echo "hello $CTL_PARAM_NAME"'}
access:
  typist: {role: operator, rights: [adhoc]}
"""


@pytest.fixture
async def home(fleet: Fleet) -> AsyncIterator[House]:
    (fleet.folder / "work").mkdir()
    declared = DECLARED.replace("FOLDER", str(fleet.folder / "work"))
    async with house(fleet, QUICK, declared=declared) as made:
        yield made


@pytest.fixture
async def ada(home: House) -> Person:
    return await person(home, "typist", Role.OPERATOR)


def only(said: Seen) -> dict[str, object]:
    """The one result of a run."""
    results = said.json["results"]
    assert isinstance(results, list)
    (result,) = results
    assert isinstance(result, dict)
    return result


async def test_results_are_shown_by_their_type_as_they_are_by_hand(ada: Person) -> None:
    said = (await ada.ctl("run", "says", "--on", "here")).ended(0).out
    assert "    hello\n    world\n" in said
    metric = (await ada.ctl("run", "number", "--on", "here")).ended(0).out
    assert "here    42" in metric
    assert "noise" not in metric
    assert "    a   1\n    bb  22" in (await ada.ctl("run", "rows", "--on", "here")).ended(0).out
    typed = (await ada.ctl("run", "--on", "here", "--", "echo typed")).ended(0).out
    assert "    typed" in typed
    words = ("run", "greets", "--on", "here", "-p", "name=you", "-o", "json")
    result = only((await ada.ctl(*words)).ended(0))
    assert result["output"] == "hello you\n"


async def test_a_file_comes_into_the_folder_and_replaces_the_one_before(ada: Person) -> None:
    goal = ada.place / "results" / "out.txt"
    for _ in range(2):
        words = ("run", "report", "--on", "here", "--outdir", "results", "-o", "json")
        result = only((await ada.ctl(*words)).ended(0))
        assert goal.read_bytes() == b"x" * 300_000
        assert result["path"] == str(goal)
        assert result["sha256"] == hashlib.sha256(goal.read_bytes()).hexdigest()
    assert [one.name for one in goal.parent.iterdir()] == ["out.txt"]
    without = (await ada.ctl("run", "report", "--on", "here")).ended(0).out
    assert "result/out.txt" in without


async def test_artifacts_come_with_their_folders_and_go_on_where_a_fetch_ended(ada: Person) -> None:
    (await ada.ctl("run", "leaves", "--on", "here")).ended(0)
    listed = (await ada.ctl("jobs", "artifacts", "@last", "-o", "json")).ended(0).rows
    names = [str(one["name"]) for one in listed]
    assert sorted(name.rpartition("/")[2] for name in names) == ["c", "d"]
    (await ada.ctl("jobs", "artifacts", "@last", "--outdir", "got")).ended(0)
    for name in names:
        assert (ada.place / "got" / name).read_text() in {"deep\n", "flat\n"}
    again = await ada.ctl("jobs", "artifacts", "@last", "--outdir", "got")
    assert "it is there already" in again.ended(1).all
    await _half_a_fetch(ada)


async def _half_a_fetch(ada: Person) -> None:
    """Leave the beginning of a file, as a fetch that was cut short does, and fetch the rest."""
    (await ada.ctl("run", "report", "--on", "here")).ended(0)
    part = ada.place / "half" / "result" / ".out.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 200_000)
    words = ("jobs", "artifacts", "@last", "result/out.txt", "--outdir", "half", "-o", "json")
    (moved,) = (await ada.ctl(*words)).ended(0).rows
    assert moved["resumed_at"] == 200_000
    assert (part.parent / "out.txt").read_bytes() == b"x" * 300_000


async def test_results_come_in_pages_and_to_those_within_the_scope_alone(
    home: House, ada: Person
) -> None:
    told = (await ada.ctl("run", "says", "--on", "here", "-o", "json")).ended(0).json
    path = f"/api/v1/runs/{told['run']}/results"
    page = (await home.ask("GET", f"{path}?limit=1", token=ada.token)).json()
    assert len(page["items"]) == 1
    assert page["next"] is None
    assert "path" not in json.dumps(page)
    other = await home.token("elsewhere", Role.VIEWER, servers="nowhere")
    assert (await home.ask("GET", path, token=other)).status_code == 404


async def test_whoever_asks_too_often_waits_and_is_answered(fleet: Fleet) -> None:
    few = replace(QUICK, per_token=Rate(second=5.0, burst=2))
    async with house(fleet, few, declared="tasks: {says: {run: echo hello}}\n") as home:
        asker = await person(home, "somebody")
        assert "hello" in (await asker.ctl("run", "says", "--on", "here")).ended(0).out


async def test_what_only_works_by_hand_is_refused_with_what_to_do(ada: Person) -> None:
    said = (await ada.ctl("run", "x", "--addr", "127.0.0.1:1")).ended(64).all
    assert "declare the server" in said
    said = (await ada.ctl("run", "says", "--on", "here", "--as", "somebody")).ended(4).all
    assert "admin" in said
