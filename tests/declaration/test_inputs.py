"""The input digest holds what can change a result, and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from controller.declaration.inputs import Sourced, source_digest
from controller.declaration.pairs import resolve
from controller.declaration.renderer import Renderer
from controller.model.access import Access, Rule
from controller.model.declaration import Declaration, OnCommit, OnDrift, Repo, Settings
from controller.model.digest import digest_of, input_digest
from controller.model.ids import Sha
from controller.model.retention import Retention
from controller.model.schedule import Overlap, Schedule
from controller.model.task import Param, Result, ResultType, Retry, Task
from controller.model.token import Role
from controller.model.tree import Entry
from controller.model.work import Work
from tests.planning.world import declaration, place, server, sourced, step, target, task

Change = Callable[[Task], Task]


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def base(**more: Any) -> Declaration:
    return declaration(target("web", "web-1", **more), repos=(Repo(name="shop", url="u"),))


def work(renderer: Renderer, made: Declaration, sources: dict[str, Sourced] | None = None) -> Work:
    found = resolve(made, sources or {}, renderer)
    assert found.diagnostics == ()
    return found.pairs[0].work


def changed(change: Change) -> Declaration:
    made = base()
    return replace(made, tasks={"deploy": change(made.tasks["deploy"])})


def first(made: Task, **more: Any) -> Task:
    return replace(made, steps=(replace(made.steps[0], **more), *made.steps[1:]))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: first(t, run="other"),
        lambda t: first(t, name="other"),
        lambda t: first(t, shell="bash"),  # noqa: S604 - a key of a record
        lambda t: first(t, env={"A": "b"}),
        lambda t: first(t, workdir="/srv"),
        lambda t: first(t, user="deploy"),
        lambda t: first(t, when="true"),
        lambda t: first(t, continue_on_error=True),
        lambda t: replace(t, env={"A": "b"}),
        lambda t: replace(t, user="deploy"),
        lambda t: replace(t, workdir="/srv"),
        lambda t: replace(t, secrets={"A": "a"}),
        lambda t: replace(t, steps=(*t.steps, step("more", "x"))),
    ],
)
def test_what_can_change_a_result_changes_the_digest(renderer: Renderer, change: Change) -> None:
    assert work(renderer, changed(change)).digest != work(renderer, base()).digest


@pytest.mark.parametrize(
    "change",
    [
        lambda t: replace(t, title="other"),
        lambda t: replace(t, timeout=1.0),
        lambda t: replace(t, check="false"),
        lambda t: replace(t, result=Result(type=ResultType.METRIC)),
        lambda t: replace(t, places={}),
        lambda t: first(t, timeout=1.0),
        lambda t: first(t, retry=Retry(limit=3)),
        lambda t: first(t, result=Result(type=ResultType.TABLE)),
        lambda t: first(t, places={"": place(99)}),
        lambda t: replace(t, params={**t.params, "unused": Param(name="unused")}),
    ],
)
def test_what_cannot_change_a_result_does_not(renderer: Renderer, change: Change) -> None:
    assert work(renderer, changed(change)).digest == work(renderer, base()).digest


def test_policy_and_reach_do_not_count(renderer: Renderer) -> None:
    made = base(
        on_commit=OnCommit.PLAN,
        on_drift=OnDrift.HEAL,
        schedule=Schedule(every=3_600.0),
        overlap=Overlap.REPLACE,
        notify=("ops",),
    )
    settings = Settings(config_interval=10.0, retention=Retention(runs=10))
    made = replace(
        made,
        settings=settings,
        repos={"shop": replace(made.repos["shop"], webhook="hook", interval=60.0)},
        access=Access(rules={"ops": Rule(name="ops", role=Role.VIEWER)}),
    )
    moved = replace(
        made,
        inventory=declaration(
            target("x", "web-1"), servers=(server("web-1", address="other"),)
        ).inventory,
    )
    assert work(renderer, moved).digest == work(renderer, base()).digest


def test_the_bytes_of_a_script_count_and_its_path_does_not(renderer: Renderer) -> None:
    def made(path: str, body: bytes) -> Declaration:
        one = replace(step(), run=None, script=path)
        return replace(base(), tasks={"deploy": task("deploy", one)}, scripts={path: body})

    digest = work(renderer, made("a.sh", b"x")).digest
    assert work(renderer, made("b.sh", b"x")).digest == digest
    assert work(renderer, made("a.sh", b"y")).digest != digest


def test_the_digest_is_what_the_documents_say(renderer: Renderer) -> None:
    one = work(renderer, base())
    assert one.digest == input_digest({name: i.digest for name, i in one.inputs.items()})
    assert one.inputs["params.channel"].digest == digest_of("stable")
    assert one.inputs["steps.go.run"].digest == digest_of("echo stable")
    assert one.digest == digest_of(
        {
            "format": 1,
            "inputs": {
                "params.channel": digest_of("stable"),
                "steps.go.run": digest_of("echo stable"),
            },
        }
    )


def test_every_input_knows_its_place(renderer: Renderer) -> None:
    one = work(renderer, base(repo="shop"), {"web": sourced(1)})
    assert {name: i.place for name, i in one.inputs.items()} == {
        "params.channel": place(7),
        "steps.go.run": place(21),
        "source": place(5),
    }


def test_the_commit_counts_unless_paths_do(renderer: Renderer) -> None:
    made = base(repo="shop")
    commits = [work(renderer, made, {"web": sourced(n)}).digest for n in (1, 2)]
    assert commits[0] != commits[1]


def test_with_paths_the_commit_in_a_text_is_hashed_as_a_placeholder(renderer: Renderer) -> None:
    made = replace(
        base(repo="shop", paths=("app/**",), params={"channel": "{{ commit.short_sha }}"}),
        tasks={
            "deploy": task(
                "deploy", step(run="{{ commit.sha }} {{ params.channel }}", when="commit.sha != ''")
            )
        },
    )
    watched = (("app/x", "1"),)
    one, two = (work(renderer, made, {"web": sourced(n, watched=watched)}) for n in (1, 2))
    assert one.digest == two.digest
    assert one.steps[0].text != two.steps[0].text
    assert one.params != two.params
    other = work(renderer, made, {"web": sourced(1, watched=(("app/x", "2"),))})
    assert other.digest != one.digest


def test_a_source_is_its_files_in_any_order() -> None:
    files = [Entry(path=p, blob=b, mode=0o100644, size=1) for p, b in (("b", "1"), ("a", "2"))]
    sha = Sha("a" * 40)
    assert source_digest(commit=sha, watched=files) == source_digest(
        commit=sha, watched=files[::-1]
    )
    assert source_digest(commit=sha, watched=files) != source_digest(commit=sha)
    executable = [replace(files[0], mode=0o100755), files[1]]
    assert source_digest(commit=sha, watched=executable) != source_digest(commit=sha, watched=files)
