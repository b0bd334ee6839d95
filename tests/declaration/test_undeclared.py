"""Tasks that nobody declared are judged by the rules of declared ones, and each finding has its place."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from controller.declaration import undeclared
from controller.declaration.undeclared import of_json, with_task
from controller.declaration.written import WrittenTask
from controller.model.declaration import Declaration, Target
from controller.model.diagnostic import Diagnostic
from controller.model.task import Limits
from tests.declaration.trees import declared
from tests.fakes.trees import MemoryTree

FILES: dict[str, str | bytes] = {
    "inventory/all.yaml": "servers: {here: {local: {}}}",
    "scripts/hello.sh": "#!/bin/sh\necho hello\n",
}
MOMENT = Target(name="by-hand", task="ad-hoc", servers="here", members=("here",))


def judged(written: WrittenTask) -> tuple[Declaration, tuple[Diagnostic, ...]]:
    return with_task(declared(FILES), MemoryTree(FILES), written, target=MOMENT)


def sent(task: dict[str, object]) -> WrittenTask:
    written, why = of_json("body/task", task)
    assert written is not None, why
    return written


def said(task: dict[str, object]) -> list[str]:
    written = sent(task)
    return sorted(f"{written.at(one.place)} {one.code}" for one in judged(written)[1])


def test_steps_become_what_declared_ones_become() -> None:
    steps = {"a": {"script": "scripts/hello.sh"}, "b": {"run": "true", "needs": []}}
    body: dict[str, object] = {"steps": steps, "env": {"A": 1}, "timeout": "1m"}
    declaration, found = judged(sent(body))
    assert found == ()
    task = declaration.tasks["ad-hoc"]
    text = f"tasks: {{ad-hoc: {body}}}".replace("'", '"')
    same = declared({**FILES, "pipelines/all.yaml": text}).tasks["ad-hoc"]
    bare = [
        replace(one, places={}, steps=tuple(replace(step, places={}) for step in one.steps))
        for one in (task, same)
    ]
    assert bare[0] == bare[1]
    assert declaration.scripts["scripts/hello.sh"].startswith(b"#!")


def test_every_mistake_is_told_at_once_with_its_path() -> None:
    steps = {"a": {"run": "x", "needs": ["z"]}, "b": {}}
    assert said({"steps": steps, "env": {"CTL_JOB": "1"}}) == [
        "body/task/env/CTL_JOB reserved-name",
        "body/task/steps/a/needs/0 unknown-step",
        "body/task/steps/b one-of",
    ]
    assert said({"steps": {"a": {"run": "x", "retires": 1}}}) == [
        "body/task/steps/a/retires unknown-key"
    ]
    assert said({"run": 1}) == ["body/task/run wrong-type"]
    assert said({"script": "../etc/passwd"}) == ["body/task/script wrong-value"]
    assert said({"steps": {"a": {"run": "1", "needs": ["b"]}, "b": {"run": "2"}}}) == [
        "body/task/steps/a/needs step-cycle"
    ]


@pytest.mark.parametrize("key", sorted(undeclared.ONLY_DECLARED))
def test_what_only_a_reviewed_task_may_do_is_refused(key: str) -> None:
    values: dict[str, object] = {
        "secrets": {"A": "a"}, "files": [{"path": "/x", "content": ""}], "checkout": {"path": "/x"},
        "check": "true", "revert": {"run": "true"}, "was": "old",
    }  # fmt: skip
    assert said({"run": "true", key: values[key]}) == [f"body/task/{key} only-declared"]


def test_a_script_of_the_servers_own_needs_an_agent() -> None:
    assert said({"uses": "script/backup"}) == ["body/task/uses needs-agent"]


def test_limits_of_the_settings_hold_where_the_task_names_none() -> None:
    known = declared({**FILES, "ctl.yaml": "settings: {limits: {pids: 7}}"})
    declaration, _ = with_task(known, MemoryTree(FILES), sent({"run": "x"}), target=MOMENT)
    assert declaration.tasks["ad-hoc"].limits == Limits(pids=7)


def test_every_account_is_seen_wherever_it_is_named() -> None:
    steps = {"a": {"run": "x", "user": "root"}, "b": {"run": "x"}, "c": {"user": "{{ 1 }}"}}
    assert list(sent({"user": "deploy", "steps": steps}).users()) == ["deploy", "root", "{{ 1 }}"]


def test_json_is_bounded() -> None:
    assert of_json("t", {"env": {f"A{i}": 1 for i in range(6_000)}})[0] is None
    assert of_json("t", {"env": {"A": [1e999]}}) == (None, "t/env/A/0: this number is too large")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["run", "a", "needs", "env"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["run", "steps", "params", "env", "timeout", "limits", "result", "shell"])


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_whatever_is_sent_is_judged_and_every_finding_has_a_path(task: dict[str, object]) -> None:
    written, why = of_json("body/task", task)
    if written is None:
        assert "too large" in why
        return
    for finding in judged(written)[1]:
        assert written.at(finding.place).startswith("body/task")
