"""Steps that use a plugin: of the repository, of ctl, or a script that the server offers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.declaration.loader import Loaded, load
from controller.declaration.pairs import resolve
from controller.declaration.plugins import shipped
from controller.declaration.renderer import Renderer
from controller.model.declaration import Declaration
from controller.model.diagnostic import Place, Span
from controller.model.work import Work
from tests.fakes.trees import MemoryTree

RUNS = 0o100755
PLUGIN = b"#!/bin/sh\necho hello\n"


def tree(uses: str, plugin: bytes | None = PLUGIN, mode: int = RUNS) -> MemoryTree:
    text = f"servers: {{a: {{local: {{}}}}}}\ntasks: {{t: {{{uses}}}}}\ntargets: {{x: {{servers: a, task: t}}}}\n"
    files: dict[str, bytes | str] = {"inventory/all.yaml": text}
    if plugin is not None:
        files["plugins/greet"] = plugin
    return MemoryTree(files, {"plugins/greet": mode})


def codes(result: Loaded) -> list[str]:
    return [f"{one.place.line}:{one.place.column} {one.code}" for one in result.diagnostics]


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def made(one: MemoryTree) -> Declaration:
    found = load(one).declaration
    assert found is not None, load(one).diagnostics
    return found


def work(declaration: Declaration, renderer: Renderer) -> Work:
    (pair,) = resolve(declaration, {}, renderer).pairs
    return pair.work


def test_a_plugin_of_the_repository_is_sent_as_its_bytes(renderer: Renderer) -> None:
    declaration = made(tree("uses: greet, env: {WHO: '{{ server.name }}'}"))
    (step,) = work(declaration, renderer).steps
    assert (step.uses, step.text, step.shell) == ("greet", PLUGIN.decode(), None)
    assert declaration.scripts == {"plugins/greet": PLUGIN}


def test_one_of_ours_is_found_where_the_repository_has_none(renderer: Renderer) -> None:
    (step,) = work(made(tree("uses: http-check, env: {URL: x}")), renderer).steps
    assert step.text == shipped()["http-check"].decode()
    assert set(shipped()) == {"http-check", "git-checkout"}


def test_that_of_the_repository_comes_first(renderer: Renderer) -> None:
    text = "tasks: {t: {uses: http-check}}\n"
    files = {"inventory/all.yaml": text.encode(), "plugins/http-check": PLUGIN}
    task = made(MemoryTree(files, {"plugins/http-check": RUNS})).tasks["t"]
    assert task.steps[0].plugin == "plugins/http-check"


def test_its_bytes_are_an_input_with_its_lines(renderer: Renderer) -> None:
    first, second = (
        work(made(tree("uses: greet", data)), renderer) for data in (PLUGIN, PLUGIN + b"#\n")
    )
    assert first.digest != second.digest
    one = first.inputs["steps.main.uses"]
    assert one.place == Place(file="inventory/all.yaml", line=2, column=13)
    assert one.text == Span(file="plugins/greet", first=1, last=3)
    assert work(made(tree("uses: http-check")), renderer).inputs["steps.main.uses"].text is None


def test_limits_are_carried_and_are_no_input(renderer: Renderer) -> None:
    free = made(tree("run: x"))
    task = made(tree("run: x, limits: {pids: 5}")).tasks["t"]
    bound = work(replace(free, tasks={"t": task}), renderer)
    assert bound.limits.pids == 5
    assert bound.digest == work(free, renderer).digest


@pytest.mark.parametrize(
    ("uses", "plugin", "mode", "expected"),
    [
        ("uses: great", PLUGIN, RUNS, "2:19 unknown-plugin"),
        ("uses: http-chek", None, RUNS, "2:19 unknown-plugin"),
        ("uses: greet", PLUGIN, 0o100644, "2:19 not-executable"),
        ("uses: greet", b"\x7fELF\xff\0", RUNS, "2:19 not-text"),
        ("uses: greet", b"#!/bin/sh\n\0", RUNS, "2:19 not-text"),
        ("uses: greet", b"", RUNS, "2:19 no-interpreter"),
        ("uses: greet", b"echo\n", RUNS, "2:19 no-interpreter"),
        ("uses: greet", b"#!  \n", RUNS, "2:19 no-interpreter"),
        ("uses: greet", b"#!/bin/sh\n" + b"#" * (1 << 20), RUNS, "2:19 file-too-large"),
        ("uses: ../greet", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: ..", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: /greet", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: deep/greet", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: script/../x", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: 'greet\n'", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: -x", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: ''", PLUGIN, RUNS, "2:19 wrong-value"),
        ("uses: greet, run: x", PLUGIN, RUNS, "2:26 one-of"),
        ("uses: greet, shell: bash", PLUGIN, RUNS, "2:26 shell-of-plugin"),
        ("steps: {s: {uses: none}}", PLUGIN, RUNS, "2:31 unknown-plugin"),
        ("steps: {s: {uses: greet, script: x}}", PLUGIN, RUNS, "2:21 one-of"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(
    uses: str, plugin: bytes | None, mode: int, expected: str
) -> None:
    assert expected in codes(load(tree(uses, plugin, mode)))


def test_a_name_that_is_nearly_right_gets_a_hint() -> None:
    (one,) = load(tree("uses: great")).diagnostics
    assert one.hint == "did you mean greet?"
    (one,) = load(tree("uses: http-chek")).diagnostics
    assert one.hint == "did you mean http-check?"


def test_a_link_in_place_of_a_plugin_is_refused_and_ours_not_taken_instead() -> None:
    files = tree("uses: http-check")
    files.refused = {"plugins/http-check": "it is a symbolic link"}
    (one,) = load(files).diagnostics
    assert one.code == "refused-file"
    assert one.message == "cannot use plugins/http-check: it is a symbolic link"
