"""The plugins that come with ctl, run as a server runs them: by its shell, with inputs in the environment."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controller.declaration.plugins import shipped
from tests.fakes.repositories import Repository

SHELLS = ("dash", "bash", "busybox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a plugin ended."""

    code: int
    said: str
    outputs: Mapping[str, str]


def run(
    name: str, folder: Path, *, shell: str = "sh", path: str | None = None, **inputs: object
) -> Ran:
    """Run a plugin by a shell."""
    file, output = folder / "plugin", folder / "output"
    file.write_bytes(shipped()[name])
    output.write_text("")
    command = ["busybox", "sh"] if shell == "busybox" else [shell]
    home = folder / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [*command, str(file)],
        env={
            "PATH": path or os.environ["PATH"],
            "HOME": str(home),
            "CTL_OUTPUT": str(output),
            **{key: str(value) for key, value in inputs.items()},
        },
        cwd=home,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    pairs = (line.partition("=") for line in output.read_text().splitlines())
    return Ran(
        code=done.returncode,
        said=done.stdout + done.stderr,
        outputs={key: value for key, _, value in pairs},
    )


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    return name


class Site(BaseHTTPRequestHandler):
    """Answers /CODE with that code, /later with 503 until the third time, /slow late, /large without an end."""

    asked: list[str] = []  # noqa: RUF012 - emptied by each fixture

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path == "/slow":
            time.sleep(3)
        code = 200
        if path.strip("/").isdigit():
            code = int(path.strip("/"))
        if path == "/later":
            code = 200 if len(self.asked) > 2 else 503
        self.send_response(code)
        if code in {301, 302}:
            self.send_header("Location", "/404")
        self.end_headers()
        if code not in {204, 304}:
            self.wfile.write(b"it is all well *here*\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    Site.asked.clear()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def without(folder: Path, *names: str) -> str:
    """Give a PATH with everything that the plugins use but these."""
    tools = (
        "sh",
        "sed",
        "grep",
        "tail",
        "mktemp",
        "rm",
        "sleep",
        "cat",
        "tr",
        "curl",
        "python3",
        "wget",
    )
    made = folder / "tools"
    made.mkdir()
    for name in tools:
        found = shutil.which(name)
        if name not in names and found is not None:
            (made / name).write_text(f'#!/bin/sh\nexec {found} "$@"\n')
            (made / name).chmod(0o755)
    if "python3" not in names:
        (made / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    return f"{made}"


def test_a_site_that_is_well_gives_its_status_and_time(
    site: str, tmp_path: Path, shell: str
) -> None:
    ran = run("http-check", tmp_path, shell=shell, URL=f"{site}/200")
    assert ran.code == 0, ran.said
    assert ran.outputs["STATUS"] == "200"
    assert float(ran.outputs["TIME"]) < 5


@pytest.mark.parametrize(
    ("path", "inputs", "code"),
    [
        ("/204", {}, 0),
        ("/302", {}, 0),
        ("/404", {}, 1),
        ("/500", {}, 1),
        ("/404", {"EXPECT_STATUS": "404"}, 0),
        ("/404", {"EXPECT_STATUS": "200,400-404"}, 0),
        ("/200", {"EXPECT_STATUS": "201-299"}, 1),
        ("/200", {"EXPECT_STATUS": "-,,300-200"}, 1),
        ("/200", {"EXPECT_BODY": "well *here*"}, 0),
        ("/200", {"EXPECT_BODY": "well .here."}, 1),
        ("/200", {"EXPECT_BODY": "-e"}, 1),
        ('/200?x="y\\z', {}, 0),
    ],
)
@pytest.mark.parametrize("missing", [(), ("curl",), ("curl", "python3")])
def test_answers_are_judged_whatever_tool_there_is(  # noqa: PLR0917 - what the cases are made of
    site: str,
    tmp_path: Path,
    path: str,
    inputs: dict[str, str],
    code: int,
    missing: tuple[str, ...],
) -> None:
    tools = without(tmp_path, *missing)
    ran = run("http-check", tmp_path, path=tools, URL=site + path, **inputs)
    assert ran.code == code, ran.said
    assert ran.outputs["STATUS"] == path[1:4]


def test_it_tries_again_until_the_site_is_well(site: str, tmp_path: Path, shell: str) -> None:
    ran = run("http-check", tmp_path, shell=shell, URL=f"{site}/later", TRIES=5, DELAY=0)
    assert (ran.code, len(Site.asked)) == (0, 3), ran.said
    assert "try 1: status 503, expected 200-399" in ran.said


@pytest.mark.parametrize("missing", [(), ("curl",), ("curl", "python3")])
def test_a_site_that_does_not_answer_in_time_fails(
    site: str, tmp_path: Path, missing: tuple[str, ...]
) -> None:
    tools = without(tmp_path, *missing)
    ran = run("http-check", tmp_path, path=tools, URL=f"{site}/slow", TIMEOUT=1)
    assert ran.code == 1, ran.said
    assert ran.outputs["STATUS"] == ""
    assert float(ran.outputs["TIME"]) < 3


def test_a_site_that_is_not_there_fails(tmp_path: Path, shell: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ran = run(
        "http-check", tmp_path, shell=shell, URL=f"http://127.0.0.1:{port}/", TRIES=2, DELAY=0
    )
    assert ran.code == 1
    assert ran.said.count("try ") == 2


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"URL": "file:///etc/passwd"},
        {"URL": "--output=/tmp/x"},
        {"URL": "http://a/ b"},
        {"URL": "http://a/\nurl = file:///etc/passwd"},
        {"URL": "http://a", "TRIES": "0"},
        {"URL": "http://a", "TRIES": "x"},
        {"URL": "http://a", "TIMEOUT": "1;x"},
        {"URL": "http://a", "DELAY": "-1"},
        {"URL": "http://a", "EXPECT_STATUS": "2xx"},
        {"URL": "http://a", "EXPECT_BODY": "a\nb"},
    ],
)
def test_inputs_that_make_no_sense_are_refused_before_anything_is_asked(
    tmp_path: Path, shell: str, inputs: dict[str, str]
) -> None:
    ran = run("http-check", tmp_path, shell=shell, **inputs)
    assert ran.code == 2
    assert ran.said.startswith("http-check: cannot ")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo")
    made.commit({"a.txt": "one\n", "deep/b.txt": "b\n"})
    return made


def checkout(repo: Repository, tmp_path: Path, shell: str = "sh", **inputs: object) -> Ran:
    given = {"REPO": repo.path, "DEST": tmp_path / "dest", **inputs}
    return run("git-checkout", tmp_path, shell=shell, path=None, **given)


def test_a_folder_is_brought_to_a_commit_and_to_the_next(
    repo: Repository, tmp_path: Path, shell: str
) -> None:
    dest = tmp_path / "deep" / "dest"
    first = checkout(repo, tmp_path, shell, DEST=dest)
    assert first.code == 0, first.said
    assert first.outputs["COMMIT"] == repo.head
    assert (dest / "a.txt").read_text() == "one\n"
    (dest / "a.txt").write_text("changed by hand\n")
    (dest / "stray").write_text("x")
    sha = repo.commit({"a.txt": "two\n", "c.txt": "c\n"})
    again = checkout(repo, tmp_path, shell, DEST=dest)
    assert (again.code, again.outputs["COMMIT"]) == (0, sha), again.said
    assert sorted(one.name for one in dest.iterdir()) == [".git", "a.txt", "c.txt", "deep"]
    assert (dest / "a.txt").read_text() == "two\n"
    assert [one.name for one in dest.parent.iterdir()] == ["dest"]


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_branch_a_tag_and_a_commit_are_found(
    repo: Repository, tmp_path: Path, depth: int
) -> None:
    first = repo.head
    repo.git("tag", "v1")
    repo.git("branch", "side/way")
    second = repo.commit({"a.txt": "two\n"})
    for ref, sha in (("v1", first), ("side/way", first), (second, second), (first, first)):
        ran = checkout(repo, tmp_path, REF=ref, DEPTH=depth)
        assert (ran.code, ran.outputs.get("COMMIT")) == (0, sha), ran.said


def test_an_empty_folder_is_filled(repo: Repository, tmp_path: Path, shell: str) -> None:
    (tmp_path / "dest").mkdir()
    assert checkout(repo, tmp_path, shell).code == 0
    assert (tmp_path / "dest" / "a.txt").exists()


def test_what_is_no_checkout_of_the_repo_is_left_alone(
    repo: Repository, tmp_path: Path, shell: str
) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "precious").write_text("x")
    ran = checkout(repo, tmp_path, shell)
    assert (ran.code, (dest / "precious").read_text()) == (2, "x"), ran.said
    shutil.rmtree(dest)
    other = Repository(tmp_path / "other")
    other.commit({"x": "x"})
    assert checkout(other, tmp_path, shell).code == 0
    ran = checkout(repo, tmp_path, shell)
    assert ran.code == 2
    assert "it is a checkout of" in ran.said
    assert (dest / "x").exists()
    for entry in (tmp_path / "file", tmp_path / "link"):
        if entry.name == "file":
            entry.write_text("x")
        else:
            entry.symlink_to(tmp_path / "repo")
        assert checkout(repo, tmp_path, shell, DEST=entry).code == 2
    assert (tmp_path / "file").read_text() == "x"


def test_a_ref_that_is_not_there_changes_nothing(
    repo: Repository, tmp_path: Path, shell: str
) -> None:
    ran = checkout(repo, tmp_path, shell, REF="none")
    assert ran.code != 0
    assert not (tmp_path / "dest").exists()
    assert not list(tmp_path.glob("dest*"))
    assert checkout(repo, tmp_path, shell).code == 0
    assert checkout(repo, tmp_path, shell, REF="none").code != 0
    assert (tmp_path / "dest" / "a.txt").read_text() == "one\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_checkout_of_somebody_else_is_not_touched(
    repo: Repository, tmp_path: Path, shell: str
) -> None:
    assert checkout(repo, tmp_path, shell).code == 0
    os.chown(tmp_path / "dest" / ".git" / "config", 65534, 65534)
    ran = checkout(repo, tmp_path, shell)
    assert ran.code == 2
    assert "belongs to somebody else" in ran.said


def test_hooks_in_the_folder_are_not_run(repo: Repository, tmp_path: Path) -> None:
    assert checkout(repo, tmp_path).code == 0
    hook = tmp_path / "dest" / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    repo.commit({"a.txt": "two\n"})
    assert checkout(repo, tmp_path).code == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "inputs",
    [
        {"REPO": ""},
        {"REPO": "ext::sh -c true"},
        {"REPO": "ext::sh"},
        {"REPO": "--upload-pack=x"},
        {"REPO": "-x:y"},
        {"REPO": "http://example.com/x.git"},
        {"REPO": "https://user:word@example.com/x.git"},
        {"REPO": "ssh://-oProxyCommand=x/y"},
        {"REPO": "git@-oProxyCommand=x:y"},
        {"REPO": "relative/path"},
        {"REPO": "/a b"},
        {"REF": "--all"},
        {"REF": "a:b"},
        {"REF": "+a"},
        {"REF": "a..b"},
        {"REF": "a b"},
        {"DEPTH": "-1"},
        {"DEPTH": "1 --upload-pack=x"},
        {"DEST": ""},
        {"DEST": "relative"},
        {"DEST": "/"},
        {"DEST": "//"},
        {"DEST": "/a/../b"},
        {"DEST": "/a/.."},
        {"DEST": "/a\nb"},
    ],
)
def test_inputs_that_could_be_options_or_lead_elsewhere_are_refused(
    repo: Repository, tmp_path: Path, shell: str, inputs: dict[str, str]
) -> None:
    ran = checkout(repo, tmp_path, shell, **inputs)
    assert ran.code == 2, ran.said
    assert ran.said.startswith("git-checkout: cannot ")
    assert not (tmp_path / "dest").exists()
