"""Steps that run a script which the server offers itself."""

from collections.abc import Iterator

import pytest

from controller.declaration.pairs import resolve
from controller.declaration.renderer import Renderer
from controller.model.work import Work
from tests.declaration.trees import declared, findings, loaded


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


def work(text: str, renderer: Renderer) -> Work:
    (pair,) = resolve(declared(text), {}, renderer).pairs
    return pair.work


OFFERED = """\
servers: {{a: {{local: {{}}}}, b: {{}}, c: {{agent: {{}}}}, d: {{pull: {{}}}}}}
tasks:
  t: {{run: x}}
  offered: {{uses: script/uptime}}
targets: {{x: {{servers: "{servers}", task: {task}, on_remove: {{run: {undo}}}}}}}
"""


def test_a_script_of_the_server_needs_a_server_with_an_agent() -> None:
    good = OFFERED.format(servers="c,d", task="offered", undo="offered")
    (step,) = declared(good).tasks["offered"].steps
    assert (step.uses, step.plugin) == ("script/uptime", None)
    result = loaded(OFFERED.format(servers="all", task="offered", undo="t"))
    assert findings(result) == ["inventory/all.yaml:4:13 needs-agent"]
    assert "on a and 1 more" in result.diagnostics[0].message
    undone = loaded(OFFERED.format(servers="b", task="t", undo="offered"))
    assert findings(undone) == ["inventory/all.yaml:4:13 needs-agent"]


def test_the_name_of_an_offered_script_is_an_input(renderer: Renderer) -> None:
    texts = [
        f"servers: {{a: {{pull: {{}}}}}}\ntasks: {{t: {{uses: script/{name}}}}}\n" for name in "xy"
    ]
    texts = [f"{text}targets: {{x: {{servers: a, task: t}}}}\n" for text in texts]
    one, two = (work(text, renderer) for text in texts)
    assert one.digest != two.digest
    assert one.steps[0].text == ""
