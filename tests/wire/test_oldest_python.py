"""This room runs on the oldest Python that servers have, and on nothing but its standard library."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import controller.wire

ROOM = Path(controller.wire.__file__).parent
SOURCES = sorted(ROOM.rglob("*.py"))
NEWER = {
    "StrEnum",
    "Self",
    "assert_never",
    "TypeAlias",
    "ParamSpec",
    "pairwise",
    "batched",
    "NotRequired",
}
WALK = """
from controller.wire.doorway import Doorway
from controller.wire.events import Requested, Replied
from controller.wire.handshake import Identity
from controller.wire.messages.attempts import Start, Attempt
from controller.wire.messages.table import To
from controller.wire.session import Session

near = Session(Identity(side=To.CONTROLLER, name="control", instance="c1"), "web-1")
door = Doorway(Identity(side=To.AGENT, name="web-1", instance="a1"), {})
here, there = near.connect(0.0), door.connect("control", 0.0, leads=True)
call = near.request(Start(id="j.a.1", job="j", text=b"true", env={"A": "b"}))
told = []
for turn in range(4):
    told += door.receive(there, here.take(), 0.0)
    for event in told:
        if isinstance(event, Requested):
            door.session(there).reply(event.call, Attempt(id=event.message.id, phase="running"))
            told = []
            break
    answers = near.receive(here, there.take(), 0.0)
    for event in answers:
        if isinstance(event, Replied):
            print(event.call, event.message.phase, hash(event.message.id) != 0)
"""


def oldest() -> str | None:
    """Find an interpreter of version 3.9 that starts."""
    places = [
        shutil.which("python3.9"),
        *map(str, Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9")),
    ]
    for place in filter(None, places):
        said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and " 3.9." in said.stdout:
            return place
    return None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOM)))
def test_every_file_is_python_3_9_and_imports_only_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            first = node.module.split(".")[0]
            assert first in sys.stdlib_module_names or node.module.startswith("controller.wire")
            assert not {alias.name for alias in node.names} & NEWER
        elif isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names


@pytest.mark.real
@pytest.mark.parametrize("python", [sys.executable, oldest()])
def test_a_request_is_asked_and_answered_on_a_bare_interpreter(python: str | None) -> None:
    if python is None:
        pytest.skip("there is no Python 3.9 on this machine")
    said = subprocess.run(
        [python, "-S", "-B", "-c", WALK],
        cwd=ROOM.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.stdout, said.stderr) == ("1 running True\n", "")
