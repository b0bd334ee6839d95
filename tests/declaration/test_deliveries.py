"""Files and checkouts of tasks are read whole, and what is wrong with them is told at its place."""

from itertools import count

import pytest

from controller.declaration import deliveries
from controller.declaration.loader import Loaded
from controller.declaration.schema import describe
from controller.model.files import LARGEST_FILE, Checkout, FileSpec
from controller.model.task import Task
from tests.declaration.trees import declared, findings, loaded

TREE: dict[str, str | bytes] = {
    "templates/shop.conf.j2": "workers = {{ vars.workers }}\n",
    "files/motd": b"\x00\xff binary",
    "scripts/a.sh": "#!/bin/sh\n",
}
PATH = "pipelines/a.yaml"


def tree(task: str, **more: str | bytes) -> dict[str, str | bytes]:
    return {**TREE, PATH: f"tasks:\n  t:\n    {task}\n", **more}


def file(body: str) -> str:
    return f"files: [{{path: /etc/a, {body}}}]"


def task_of(text: str) -> Task:
    return declared(tree(text)).tasks["t"]


def told(result: Loaded) -> list[str]:
    return [item.removeprefix(f"{PATH}:") for item in findings(result)]


def test_a_task_may_deliver_and_run_nothing() -> None:
    made = task_of(
        "files: [{path: /etc/a, template: templates/shop.conf.j2, owner: root, group: adm,\n"
        '      mode: "640", validate: "check %s", backup: true}, {path: "/etc/{{ vars.x }}", content: ""},\n'
        "      {path: /etc/motd, source: files/motd}]"
    )
    assert made.steps == ()
    first, second, third = made.files
    assert first.places["mode"].line == 4
    assert first == FileSpec(
        path="/etc/a",
        template="templates/shop.conf.j2",
        owner="root",
        group="adm",
        mode="0640",
        validate="check %s",
        backup=True,
        places=first.places,
    )
    assert (second.content, second.mode, second.backup) == ("", "0644", False)
    assert third.source == "files/motd"


def test_a_checkout_keeps_one_release_unless_told() -> None:
    made = task_of("checkout: {path: /srv/shop}")
    assert made.checkout == Checkout(path="/srv/shop", places=made.checkout.places)  # type: ignore[union-attr]
    more = task_of("checkout: {path: /srv/shop, releases: 3}").checkout
    assert more is not None
    assert more.releases == 3


def test_revert_an_earlier_name_and_idempotent_steps_are_kept() -> None:
    made = task_of("was: old\n    revert: {run: undo}\n    steps: {a: {run: x, idempotent: true}}")
    assert (made.was, made.revert) == ("old", "undo")
    assert made.places["revert.run"].line == 4
    assert made.steps[0].idempotent


def test_the_bytes_of_templates_and_sources_are_kept() -> None:
    made = declared(
        tree(
            "files: [{path: /a, template: templates/shop.conf.j2}, {path: /b, source: files/motd}]"
        )
    )
    assert made.blobs == {
        "templates/shop.conf.j2": b"workers = {{ vars.workers }}\n",
        "files/motd": b"\x00\xff binary",
    }


def test_files_of_the_defaults_are_read_too() -> None:
    made = declared(
        {
            **tree("run: x"),
            "ctl.yaml": "settings: {defaults: {tasks: {files: [{path: /a, source: files/motd}]}}}",
        }
    )
    assert made.tasks["t"].files[0].source == "files/motd"
    assert made.blobs == {"files/motd": b"\x00\xff binary"}


WRONG = [
    (file("mode: '0644'"), ["3:13 one-of"]),
    (file("content: a, source: files/motd"), ["3:40 one-of"]),
    (file("content: a, mode: 0644"), ["3:46 wrong-type"]),
    (file("content: a, mode: 420"), ["3:46 wrong-type"]),
    (file("content: a, mode: '0888'"), ["3:46 wrong-value"]),
    (file("content: a, mode: rw"), ["3:46 wrong-value"]),
    (file("content: a, owner: 0"), ["3:47 wrong-type"]),
    (file("content: a, owner: 'a:b'"), ["3:47 wrong-value"]),
    (file("content: a, group: -x"), ["3:47 wrong-value"]),
    (file("content: a, validate: nginx -t"), ["3:50 wrong-value"]),
    (file("content: a, backup: yes"), ["3:48 wrong-type"]),
    (file("content: 5"), ["3:37 wrong-type"]),
    (file("contents: a"), ["3:28 unknown-key"]),
    (file("template: templates/shop.conf"), ["3:38 missing-file"]),
    (file("template: ../x"), ["3:38 wrong-value"]),
    (file("template: files/motd"), ["3:38 not-text"]),
    (file('content: "a\\0b"'), ["3:37 nul-character"]),
    ("files: [{content: a}]", ["3:13 missing-key"]),
    ("files: []", ["3:12 wrong-value"]),
    ("files: [{path: etc/a, content: a}]", ["3:20 bad-path"]),
    ("files: [{path: /etc/../a, content: a}]", ["3:20 bad-path"]),
    ("files: [{path: /etc//a, content: a}]", ["3:20 bad-path"]),
    ("files: [{path: //etc/a, content: a}]", ["3:20 bad-path"]),
    ("files: [{path: /etc/a/, content: a}]", ["3:20 bad-path"]),
    ("files: [{path: /etc/./a, content: a}]", ["3:20 bad-path"]),
    ("files: [{path: /, content: a}]", ["3:20 bad-path"]),
    ('files: [{path: "/etc/\\na", content: a}]', ["3:20 wrong-value"]),
    ('files: [{path: "/etc/\\u0085a", content: a}]', ["3:20 bad-path"]),
    ('files: [{path: "/etc/\\u2028a", content: a}]', ["3:20 bad-path"]),
    (f"files: [{{path: /{'a' * 201}, content: a}}]", ["3:20 bad-path"]),
    (f"files: [{{path: {'/ä' * 400}, content: a}}]", ["3:20 bad-path"]),
    ("files: [{path: /a, content: a}, {path: /a, content: b}]", ["3:38 same-path"]),
    ("checkout: {}", ["3:5 missing-key"]),
    ("checkout: {path: srv}", ["3:22 bad-path"]),
    ("checkout: {path: /srv, releases: 0}", ["3:38 wrong-value"]),
    ("checkout: {path: /srv, releases: true}", ["3:38 wrong-type"]),
    ("revert: x", ["3:13 wrong-type"]),
    ("revert: {}", ["3:5 missing-key"]),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text[-50:] for text, _ in WRONG])
def test_what_is_wrong_is_told_at_its_place(text: str, expected: list[str]) -> None:
    result = loaded(tree(text))
    assert result.declaration is None
    assert told(result) == expected


def test_a_mode_that_is_a_number_is_told_to_be_quoted() -> None:
    (one,) = loaded(tree(file("content: a, mode: 0644"))).diagnostics
    assert one.hint == 'put quotes around it: "0644"'


def test_a_missing_file_names_the_nearest() -> None:
    (one,) = loaded(tree(file("template: templates/shop.conf"))).diagnostics
    assert one.hint == "did you mean templates/shop.conf.j2?"


def test_the_place_of_the_first_of_two_equal_paths_is_told() -> None:
    text = "files:\n    - {path: /a, content: a}\n    - {path: /a, content: b}"
    (one,) = loaded(tree(text)).diagnostics
    assert (one.place.line, one.place.column) == (5, 8)
    assert f"{PATH}:4:8" in one.message


def test_files_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    large = loaded(tree(file("source: files/x"), **{"files/x": bytes(LARGEST_FILE + 1)}))
    assert told(large) == ["3:36 file-too-large"]
    numbers = count()
    many = {f"files/{next(numbers)}": bytes(LARGEST_FILE) for _ in range(9)}
    rows = ", ".join(f"{{path: /{name}, source: {name}}}" for name in many)
    assert told(loaded(tree(f"files: [{rows}]", **many))) == ["3:5 files-too-large"]
    monkeypatch.setattr(deliveries, "MOST_BLOBS", 4 * LARGEST_FILE)
    tasks = "".join(
        f"  t{n}: {{files: [{{path: /a, source: {name}}}]}}\n" for n, name in enumerate(many)
    )
    result = loaded({**many, PATH: f"tasks:\n{tasks}"})
    assert told(result)[0] == "6:35 files-too-large"


def test_a_checkout_needs_a_repo() -> None:
    result = loaded(
        {
            PATH: "servers: {a: {}}\ntasks: {t: {checkout: {path: /srv}}}\n"
            "targets: {x: {servers: a, task: t}}\n"
        }
    )
    assert told(result) == ["3:27 checkout-without-repo"]
    assert f"{PATH}:2:13" in result.diagnostics[0].message


def test_every_key_can_be_explained() -> None:
    assert set(describe("task", "files").keys) == {
        *("path", "content", "template", "source", "owner", "group", "mode", "validate", "backup")
    }
    assert describe("tasks", "files.mode").default == "0644"
    assert describe("task", "checkout.releases").default == 1
    assert describe("task", "revert.run").supported
    assert describe("task", "steps.idempotent").supported
