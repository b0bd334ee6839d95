"""Delivered files are rendered, judged and hashed for every pair, and equal files are one object."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from controller.declaration import contents
from controller.declaration.pairs import Resolved, placeholders, resolve
from controller.declaration.renderer import Renderer
from controller.model.declaration import Declaration, Target
from controller.model.diagnostic import Place, Span
from controller.model.digest import digest_of
from controller.model.files import SECRET_CLOSE, SECRET_OPEN, CheckoutWork, FileWork
from controller.model.work import Work, secret_names
from tests.declaration.trees import declared
from tests.planning.world import sourced

PATH: Final = "pipelines/a.yaml"
SERVERS: Final = """\
servers:
  web-1: {groups: [web], vars: {n: 1, env: prod, s: db-password}}
  web-2: {groups: [web], vars: {n: 2, env: prod, s: db-password}}
secrets: {db-password: {env: DB_PASSWORD}, other: {env: OTHER}}
"""
TEMPLATE: Final = "a = 1\nn = {{ vars.n }}\npassword = {{ secret('db-password') }}\n"


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def world(task: str, target: str = "servers: web, task: t", **more: str | bytes) -> Declaration:
    return declared(
        {
            "inventory/s.yaml": SERVERS,
            "templates/a.j2": TEMPLATE,
            PATH: f"tasks:\n  t:\n    {task}\ntargets: {{x: {{{target}}}}}\n"
            "repos: {shop: {url: https://example.com/shop}}\n",
            **more,
        }
    )


def works(found: Resolved) -> list[Work]:
    assert found.diagnostics == ()
    return [pair.work for pair in found.pairs]


def one(renderer: Renderer, task: str, **more: Any) -> Work:
    return works(resolve(world(task, **more), {}, renderer))[0]


def told(renderer: Renderer, task: str, **more: Any) -> list[tuple[str, str, str | None]]:
    made = world(task, **more)
    found = resolve(made, placeholders(made), renderer)
    return [
        (f"{d.place.file}:{d.place.line} {d.code}", d.message, d.hint) for d in found.diagnostics
    ]


def test_a_file_is_rendered_with_a_placeholder_for_the_secret(renderer: Renderer) -> None:
    work = one(
        renderer,
        'files: [{path: "/etc/{{ vars.env }}.conf", template: templates/a.j2, owner: root, group: adm,\n'
        '      mode: "600", validate: "check %s", backup: true}]',
    )
    assert work.files == (
        FileWork(
            path="/etc/prod.conf",
            content=b"a = 1\nn = 1\npassword = "
            + SECRET_OPEN
            + b"db-password"
            + SECRET_CLOSE
            + b"\n",
            secrets=("db-password",),
            owner="root",
            group="adm",
            mode="0600",
            validate="check %s",
            backup=True,
            place=Place(file=PATH, line=3, column=14),
        ),
    )
    assert work.secrets == {}
    assert secret_names(work) == {"db-password"}


def test_secrets_of_steps_and_files_are_compared_together(renderer: Renderer) -> None:
    work = one(
        renderer,
        "run: x\n    secrets: {A: other}\n    files: [{path: /a, template: templates/a.j2}]",
    )
    assert work.secrets == {"A": "other"}
    assert secret_names(work) == {"other", "db-password"}


def test_a_source_is_delivered_byte_for_byte(renderer: Renderer) -> None:
    data = b"\xff {{ vars.nope }} \0secret:db-password\0"
    work = one(renderer, "files: [{path: /a, source: files/a}]", **{"files/a": data})
    assert (work.files[0].content, work.files[0].secrets) == (data, ())


def test_what_looks_like_a_secret_in_a_source_is_another_input(renderer: Renderer) -> None:
    content = 'files: [{path: /a, content: "{{ secret(vars.s) }}"}]'
    real = one(renderer, content)
    source = one(
        renderer, "files: [{path: /a, source: files/a}]", **{"files/a": real.files[0].content}
    )
    assert source.files[0].content == real.files[0].content
    assert source.digest != real.digest


def test_equal_files_are_one_object_and_hashed_once(renderer: Renderer) -> None:
    both = works(
        resolve(
            world(
                'run: echo {{ vars.n }}\n    files: [{path: /a, content: "{{ vars.env }}"}, '
                '{path: /b, content: "{{ vars.n }}"}]'
            ),
            {},
            renderer,
        )
    )
    assert both[0].files[0] is both[1].files[0]
    assert both[0].files[1] is not both[1].files[1]
    name = "files./a.content"
    assert both[0].inputs[name] is both[1].inputs[name]


def test_the_digest_has_content_owner_group_and_mode(renderer: Renderer) -> None:
    base = 'files: [{path: /a, content: "x"'
    plain = one(renderer, base + "}]")
    assert set(plain.inputs) == {"files./a.content"}
    assert plain.digest == digest_of(
        {"format": 1, "inputs": {n: i.digest for n, i in plain.inputs.items()}}
    )
    counts = {
        "owner: root": "files./a.owner",
        "group: adm": "files./a.group",
        'mode: "0600"': "files./a.mode",
    }
    for key, name in counts.items():
        other = one(renderer, f"{base}, {key}}}]")
        assert other.digest != plain.digest
        assert set(other.inputs) == {"files./a.content", name}
    for key in ('mode: "644"', "validate: check %s", "backup: true"):
        assert one(renderer, f"{base}, {key}}}]").digest == plain.digest
    assert one(renderer, 'files: [{path: /a, content: "y"}]').digest != plain.digest
    assert one(renderer, 'files: [{path: /b, content: "x"}]').digest != plain.digest


def test_where_the_content_comes_from_does_not_count(renderer: Renderer) -> None:
    digests = {
        one(renderer, 'files: [{path: /a, content: "x"}]').digest,
        one(renderer, "files: [{path: /a, source: files/a}]", **{"files/a": "x"}).digest,
        one(renderer, "files: [{path: /a, template: files/b}]", **{"files/b": "x"}).digest,
        one(renderer, 'files: [{path: "/{{ vars.p }}", content: "x"}]', **SPELT).digest,
    }
    assert len(digests) == 1


SPELT: Final = {"inventory/s.yaml": "servers: {web-1: {groups: [web], vars: {p: a}}}\n"}


def test_which_secret_stands_in_a_file_counts(renderer: Renderer) -> None:
    texts = ("secret('db-password')", "secret('other')")
    digests = {
        one(renderer, f'files: [{{path: /a, content: "{{{{ {text} }}}}"}}]').digest
        for text in texts
    }
    assert len(digests) == 2


CHECKOUT: Final = "servers: web, task: t, repo: shop"


def test_a_checkout_is_an_input_by_its_path_and_releases(renderer: Renderer) -> None:
    def made(body: str) -> Work:
        found = world(f"checkout: {{{body}}}", CHECKOUT)
        return works(resolve(found, {"x": sourced(1)}, renderer))[0]

    plain = made('path: "/srv/{{ vars.env }}"')
    assert plain.checkout == CheckoutWork(path="/srv/prod")
    assert set(plain.inputs) == {"checkout.path", "source"}
    more = made("path: /srv/prod, releases: 3")
    assert more.checkout == CheckoutWork(path="/srv/prod", releases=3)
    assert more.inputs["checkout.releases"].place == Place(file=PATH, line=3, column=33)
    assert more.digest != plain.digest
    assert made("path: /srv/prod, releases: 1").digest == plain.digest
    assert made("path: /srv/b").digest != plain.digest


def test_with_paths_the_commit_in_a_file_is_hashed_as_a_placeholder(renderer: Renderer) -> None:
    made = world(
        'files: [{path: "/etc/{{ commit.branch }}", content: "{{ commit.sha }}"}]',
        CHECKOUT + ', paths: ["app/**"]',
    )
    watched = (("app/x", "1"),)
    first, second = (
        works(resolve(made, {"x": sourced(n, watched=watched)}, renderer))[0] for n in (1, 2)
    )
    assert first.digest == second.digest
    assert first.files[0].content != second.files[0].content
    assert first.files[0].path == "/etc/main"


def test_an_input_knows_the_lines_of_its_template(renderer: Renderer) -> None:
    files = (
        "files:\n      - {path: /a, template: templates/a.j2}\n      - {path: /b, source: files/b}\n"
        "      - path: /c\n        content: |\n          {{ vars.env }}\n          x\n        mode: '0600'"
    )
    made = one(renderer, files, **{"files/b": b"1\n2\n"}).inputs
    template = made["files./a.content"]
    assert template.place == Place(file=PATH, line=4, column=20)
    assert template.text == Span(file="templates/a.j2", first=1, last=4)
    assert template.uses == ("vars.n",)
    assert made["files./b.content"].text == Span(file="files/b", first=1, last=3)
    assert made["files./c.content"].text == Span(file=PATH, first=8, last=9)
    assert made["files./c.mode"].place == Place(file=PATH, line=10, column=9)


def test_errors_point_into_the_template_file(renderer: Renderer) -> None:
    task = "files: [{path: /a, template: templates/a.j2}]"
    assert told(renderer, task, **{"templates/a.j2": "x\n\n{{ vars.nn }}\n"}) == [
        (
            "templates/a.j2:3 undefined-name",
            "files./a.content: nn is not defined on web-1 and 1 more",
            "did you mean n?",
        )
    ]
    ((where, _, _),) = told(renderer, task, **{"templates/a.j2": "x\n{% if %}\n"})
    assert where == "templates/a.j2:2 template-syntax"
    ((where, _, hint),) = told(
        renderer, task, **{"templates/a.j2": "x\n\n\n{{ secret('othr') }}\n"}
    )
    assert where == "templates/a.j2:4 unknown-secret"
    assert hint == "did you mean other?"


def test_errors_in_content_point_to_its_lines(renderer: Renderer) -> None:
    task = (
        "files:\n      - path: /a\n        content: |\n          x\n          {{ secret(vars.n) }}"
    )
    ((where, message, _),) = told(renderer, task)
    assert where == f"{PATH}:7 template-value"
    assert "secret() takes the name of a secret" in message
    ((where, message, _),) = told(renderer, task.replace("vars.n", "vars.env"))
    assert where == f"{PATH}:7 unknown-secret"
    assert message == "files./a.content: no secret is called 'prod' on web-1 and 1 more"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("{{ 'etc' }}/a", "bad-path"),
        ("/{{ '..' }}/a", "bad-path"),
        ("/{{ '\\\\n' }}", "bad-path"),
        ("/{{ '/' }}a", "bad-path"),
        ("/{{ 'b' }}", "same-path"),
        ("/srv{{ '' }}", "same-path"),
        ("{{ secret('other') }}", "secret-in-template"),
    ],
)
def test_paths_are_judged_once_they_are_rendered(renderer: Renderer, path: str, code: str) -> None:
    task = (
        f'files:\n      - {{path: /b, content: x}}\n      - {{path: "{path}", content: x}}\n'
        "    checkout: {path: /srv}"
    )
    ((where, _, _),) = told(renderer, task, target=CHECKOUT)
    assert where == f"{PATH}:5 {code}"


def test_rendered_files_have_bounds(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "{% for i in range(10) %}" + "\u00e4" * 60_000 + "{% endfor %}"
    ((where, message, _),) = told(
        renderer, "files: [{path: /a, template: templates/a.j2}]", **{"templates/a.j2": wide}
    )
    assert where == "templates/a.j2:1 file-too-large"
    assert "has 1200000 bytes, at most 1048576" in message
    monkeypatch.setattr(contents, "MOST_BYTES", 10)
    rows = ", ".join(f"{{path: /{n}, content: \"{{{{ 'aaaa' }}}}\"}}" for n in range(3))
    ((where, message, _),) = told(renderer, f"files: [{rows}]")
    assert where == f"{PATH}:3 file-too-large"
    assert message.startswith("files./2.content: ")


@pytest.mark.parametrize(
    "text",
    [
        "{{ secret('other') | quote }}",
        "{{ secret('other') | length }}",
        "{{ 'a' ~ secret('other') }}",
        "{% if secret('other') == 'x' %}{% endif %}",
        "{% set s = secret('other') %}",
        "{% set s %}{{ secret('other') }}{% endset %}{{ s }}",
        "{% macro m() %}{{ secret('other') }}{% endmacro %}{{ m() }}",
        "{% filter upper %}{{ secret('other') }}{% endfilter %}",
        "{% block b %}{{ secret('other') }}{% endblock %}{{ self.b() }}",
        "{% for x in [[1]] recursive %}{{ secret('other') }}{% endfor %}",
        "{% set s = secret %}{{ s('other') }}",
        "{{ secret }}",
        "{{ secret.name }}",
        "{{ secret('other', 'b') }}",
        "{{ secret(secret('other')) }}",
        "{{ [secret('other')] }}",
    ],
)
def test_nothing_can_be_made_of_a_secret(renderer: Renderer, text: str) -> None:
    found = told(
        renderer,
        "files: [{path: /a, template: templates/a.j2}]",
        **{"templates/a.j2": f"x\n{text}"},
    )
    assert {where for where, _, _ in found} == {"templates/a.j2:2 secret-in-template"}


def test_a_secret_may_stand_in_conditions_and_loops(renderer: Renderer) -> None:
    text = "{% for n in range(2) %}{% if n %}{{ secret('other') }}{% endif %}{{ n }}{% endfor %}"
    work = one(
        renderer, "files: [{path: /a, template: templates/a.j2}]", **{"templates/a.j2": text}
    )
    assert work.files[0].content == b"0" + SECRET_OPEN + b"other" + SECRET_CLOSE + b"1"


@pytest.mark.parametrize(
    "key",
    [
        "run: \"{{ secret('other') }}\"",
        "run: x\n    env: {A: \"{{ secret('other') }}\"}",
        "run: x\n    check: \"{{ secret('other') }}\"",
        "run: x\n    revert: {run: \"{{ secret('other') }}\"}",
        "run: x\n    workdir: \"{{ secret('other') }}\"",
        "checkout: {path: \"/{{ secret('other') }}\"}",
    ],
)
def test_elsewhere_a_secret_goes_into_the_environment(renderer: Renderer, key: str) -> None:
    made = world(key, CHECKOUT)
    found = resolve(made, placeholders(made), renderer, checks=True)
    (one,) = found.diagnostics
    assert one.code == "secret-in-template"
    assert "secrets:" in (one.hint or "")


def test_no_value_can_make_itself_a_secret(renderer: Renderer) -> None:
    forged = "\0secret:db-password\0"
    items = [("{{ v }}{{ secret('other') }}", {"v": forged}), ("{{ v }}", {"v": forged})]
    for answer in renderer.render(items, delivered=True):
        assert getattr(answer, "message", "") == "renders a NUL character"
    (fine,) = renderer.render([("{{ v }}{{ secret('other') }}", {"v": "x"})], delivered=True)
    assert fine == "x\0secret:other\0"
    (refused,) = renderer.render([("{{ secret('other') }}", {})])
    assert getattr(refused, "name", None) == "secret"


def test_a_task_with_a_checkout_cannot_run_where_no_repo_is(renderer: Renderer) -> None:
    made = world("checkout: {path: /srv}", CHECKOUT)
    by_hand = Target(name="by-hand", task="t", servers="web", members=("web-1",))
    (said,) = resolve(replace(made, targets={"by-hand": by_hand}), {}, renderer).diagnostics
    assert (said.code, said.place.line) == ("checkout-without-repo", 3)
