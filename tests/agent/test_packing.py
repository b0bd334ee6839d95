"""The one file of the agent: the same bytes from the same sources, small, and at work on bare interpreters."""

import ast
import hashlib
import io
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from controller import __version__
from controller.agent.compiling import compile_agent
from controller.agent.errors import AgentError
from controller.agent.packing import MOST, PACKAGE, ROOMS, main, pack_agent

SOURCES = sorted((PACKAGE / "agent").rglob("*.py"))
NEWER = {"StrEnum", "Self", "assert_never", "TypeAlias", "ParamSpec", "pairwise", "batched"}
SCRIPT = b"#!/bin/sh\n#::CTL::title=Title \x1b[31m\n#::CTL::result-type=table\necho\n"
HOSTILE = "Title \\x1b[31m"


def interpreters() -> list[str]:
    """Find the system's own Python, and one of version 3.9."""
    places = [
        "/usr/bin/python3",
        shutil.which("python3.9"),
        *map(str, Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9")),
    ]
    found = []
    for place in filter(None, places):
        said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
        if said.returncode == 0:
            found.append(place)
    return found or [sys.executable]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "ctl-agent.pyz"
    assert main([str(path)]) == 0
    return path


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    (folder / "task.sh").write_bytes(SCRIPT)
    (folder / "task.sh").chmod(0o755)
    (folder / "link").symlink_to("/etc/passwd")
    return folder


def ask(python: str, packed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the packed agent where nothing of the project can be found."""
    return subprocess.run(
        [python, "-I", "-S", str(packed), *words],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_of_this_room_is_python_3_9_and_imports_only_the_zone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    zone = tuple(f"controller.{room}." for room in ROOMS)
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Match)
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            known = module.split(".")[0] in sys.stdlib_module_names
            assert known or module == "controller" or f"{module}.".startswith(zone), module
            assert not {alias.name for alias in node.names} & NEWER
        elif isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names


def test_the_same_sources_give_the_same_bytes_whatever_their_times_and_place(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "elsewhere" / PACKAGE.name
    for room in reversed(ROOMS):
        shutil.copytree(PACKAGE / room, copy / room, copy_function=shutil.copyfile)
    shutil.copyfile(PACKAGE / "__init__.py", copy / "__init__.py")
    for source in copy.rglob("*.py"):
        os.utime(source, (1_000_000_000, 1_000_000_000))
        source.chmod(0o600)
    assert pack_agent(copy) == pack_agent()
    with (copy / "agent" / "__init__.py").open("a") as file:
        file.write("# other\n")
    assert pack_agent(copy) != pack_agent()


def test_it_is_small_and_holds_the_zone_alone(packed: Path) -> None:
    assert packed.stat().st_size <= MOST
    assert packed.stat().st_mode & 0o777 == 0o755
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    alone = {"__main__.py", "controller/__init__.py"}
    assert alone < set(names)
    assert {name.split("/")[1] for name in set(names) - alone} == set(ROOMS)
    assert not [name for name in names if not name.endswith(".py")]


def test_one_that_is_too_large_is_not_made(tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / room).mkdir()
    (tmp_path / "__init__.py").touch()
    (tmp_path / "agent" / "__main__.py").touch()
    (tmp_path / "wire" / "noise.py").write_bytes(os.urandom(MOST))
    with pytest.raises(ValueError, match="cannot pack the agent into 300000 bytes"):
        pack_agent(tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("python", interpreters())
def test_it_says_its_version_and_lists_scripts(python: str, packed: Path, scripts: Path) -> None:
    said = ask(python, packed, "--version")
    assert (said.returncode, said.stdout, said.stderr) == (0, f"ctl-agent {__version__}\n", "")
    said = ask(python, packed, "scripts", "list", "--scripts", str(scripts))
    digest = hashlib.sha256(SCRIPT).hexdigest()
    assert (said.returncode, said.stderr) == (0, "")
    assert [line.split(None, 3) for line in said.stdout.splitlines()] == [
        ["link", "refused:", "it", "is a symbolic link"],
        ["task", "table", digest[:12], HOSTILE],
    ]


@pytest.mark.real
@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8"])
def test_an_interpreter_that_is_too_old_is_told_so(version: str, packed: Path) -> None:
    name = f"python{version}"
    places = map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"))
    for python in filter(None, (shutil.which(name), *places)):
        said = subprocess.run(
            [python, "-S", str(packed), "--version"],
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        if f"Python {version}:" in said.stderr:
            assert (
                said.stderr == f"ctl-agent: cannot run on Python {version}: it needs 3.9 or newer\n"
            )
            assert (said.returncode, said.stdout) == (1, "")
            return
        assert "pyenv" in said.stderr, (
            said.stderr
        )  # a stand-in for an interpreter that is elsewhere
    pytest.skip(f"there is no Python {version} on this machine")


@pytest.mark.real
def test_it_shows_a_script_and_the_machine(packed: Path, scripts: Path) -> None:
    python = interpreters()[0]
    said = ask(python, packed, "scripts", "inspect", "task", "--scripts", str(scripts))
    assert said.stdout.splitlines() == [
        f"sha256: {hashlib.sha256(SCRIPT).hexdigest()}",
        "result-type: table",
        f"title: {HOSTILE}",
        "",
        *SCRIPT.decode().replace("\x1b", "\\x1b").splitlines(),
    ]
    said = ask(python, packed, "host", "--disk", str(scripts))
    assert f"\ndisk {scripts}: " in said.stdout
    assert "\nload: " in said.stdout


@pytest.mark.real
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["frob"], 64, 'cannot do "frob": no such verb'),
        ([], 64, "no such verb"),
        (["scripts", "list", "--config=/none/agent.conf"], 64, "no such file"),
        (["scripts", "inspect"], 64, "say which script"),
        (["scripts", "inspect", "../x", "--scripts", "/"], 1, "no name of a script"),
        (["scripts", "list", "--scripts", "/none"], 1, "cannot open /none: no such file"),
        (["scripts", "list", "--script", "/"], 64, "did you mean scripts?"),
        (["compile", "/none/x"], 1, "cannot write /none/x"),
        (["compile"], 64, "say into which file"),
    ],
)
def test_what_it_cannot_do_it_says_in_one_line_without_a_traceback(
    packed: Path, words: list[str], code: int, message: str
) -> None:
    said = ask(interpreters()[0], packed, *words)
    assert (said.returncode, said.stdout) == (code, "")
    assert message in said.stderr.splitlines()[0]
    assert "Traceback" not in said.stderr


@pytest.mark.real
def test_a_reader_that_has_enough_ends_it_quietly(packed: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    said = subprocess.run(
        [interpreters()[0], "-I", "-S", packed, "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (said.returncode, said.stderr) == (1, b"")


WHERE = "import sys; sys.path.insert(0, sys.argv[1]); import controller.agent.main as m; print(m.__file__)"


@pytest.mark.real
def test_a_compiled_one_uses_its_bytecode_and_elsewhere_its_sources(
    packed: Path, tmp_path: Path
) -> None:
    compiled = tmp_path / "compiled.pyz"
    first, *others = interpreters()
    said = ask(first, packed, "compile", str(compiled))
    assert (said.returncode, said.stderr) == (0, "")
    for python in (first, *others):
        assert ask(python, compiled, "--version").stdout == f"ctl-agent {__version__}\n"
        place = [python, "-I", "-S", "-c", WHERE, str(compiled)]
        where = subprocess.run(place, capture_output=True, text=True, check=True).stdout
        assert where.endswith(".pyc\n" if python == first else ".py\n")


def test_compiling_again_changes_nothing_and_other_files_are_refused(packed: Path) -> None:
    once = compile_agent(packed.read_bytes())
    with (
        zipfile.ZipFile(io.BytesIO(once)) as first,
        zipfile.ZipFile(io.BytesIO(compile_agent(once))) as second,
    ):
        assert first.namelist() == second.namelist()
        assert first.read("__main__.py") == second.read("__main__.py")
    with pytest.raises(AgentError, match="cannot compile the agent"):
        compile_agent(b"no zip")


@pytest.mark.real
def test_starting_takes_little(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = interpreters()[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ask(python, packed, "--version").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    with capsys.disabled():
        print(f"\nctl-agent.pyz {packed.stat().st_size} bytes, --version {spent:.2f} s of CPU")  # noqa: T201 — the number is told
    assert spent < 3.0  # ten times what is promised: a busy machine may not fail us
