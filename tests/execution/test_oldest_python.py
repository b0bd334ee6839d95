"""This room runs on the oldest Python that servers have, and on nothing but its standard library."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import controller.execution

ROOM = Path(controller.execution.__file__).parent
SOURCES = sorted(ROOM.glob("*.py"))
SUPERVISED = {
    "argparse",
    "asyncio",
    "dataclasses",
    "inspect",
    "logging",
    "pathlib",
    "subprocess",
    "typing",
}
ATTEMPT = """
import asyncio, sys
from pathlib import Path
from controller.execution.executor import Executor
from controller.execution.spec import Spec

async def main():
    executor = Executor(Path(sys.argv[1]))
    await executor.recover()
    await executor.accept(Spec(id="old.1", job="job", text=b"cat; exit 3", stdin=b"said", workdir="/"))
    await executor.start("old.1")
    status = await executor.wait("old.1")
    print(status.phase.value, status.end.exit_code, status.end.message, end=" ")
    async for chunk in executor.output("old.1"):
        print(chunk.data.decode())
    await executor.discard(["old.1"], job="job")
    await executor.close()

asyncio.run(main())
"""


def oldest() -> str:
    """A real Python 3.9, on the path or where pyenv keeps it."""
    places = [
        shutil.which("python3.9"),
        *map(str, Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9")),
    ]
    for place in places:
        if (
            place
            and not subprocess.run([place, "-c", ""], check=False, capture_output=True).returncode
        ):
            return place
    pytest.skip("no Python 3.9 here")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.name))
def test_its_grammar_is_that_of_the_oldest_python(source: Path) -> None:
    ast.parse(source.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.name))
def test_it_imports_the_standard_library_and_itself_alone(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names or name.startswith(
                "controller.execution"
            )


def test_a_whole_attempt_runs_on_it(tmp_path: Path) -> None:
    ran = subprocess.run(
        [oldest(), "-W", "error", "-c", ATTEMPT, str(tmp_path / "room")],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOM.parents[1])},
    )
    assert (ran.stdout, ran.stderr) == ("ended 3  said\n", "")


def test_a_supervisor_pays_for_no_heavy_import() -> None:
    say = "import controller.execution.nursery, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", say],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOM.parents[1])},
    ).stdout.split()
    assert not SUPERVISED & set(loaded) - {"typing"}
