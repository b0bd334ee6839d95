"""The one function that runs git: built from nothing, bounded, and gone when it is told to go."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from controller.errors import SourceError
from controller.model.declaration import Repo
from controller.source.access import Credentials
from controller.source.git import Access, run_git
from controller.source.mirrors import Mirrors
from controller.source.watch import Limits
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real


@contextmanager
def silent_server() -> Iterator[int]:
    """Listen, accept through the backlog, and never answer."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def processes_with(word: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


async def until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


def test_the_environment_is_built_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("CANARY", "canary")
    Repository(tmp_path / "r")
    answer = run_git(["rev-parse", "--show-toplevel"], folder=tmp_path / "r")
    assert answer.output.decode().strip() == str(tmp_path / "r")
    spy = ["-c", "alias.spy=!env", "spy"]
    said = run_git(spy, folder=tmp_path / "r").output.decode()
    assert "GIT_CONFIG_NOSYSTEM=1" in said
    assert "CANARY" not in said
    assert "HOME=/nonexistent" in said


def test_a_code_that_is_not_zero_is_an_answer(tmp_path: Path) -> None:
    answer = run_git(["rev-parse", "HEAD"], folder=tmp_path)
    assert answer.code == 128
    assert "not a git repository" in answer.complaint


def test_a_protocol_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    origin = Repository(tmp_path / "r")
    origin.commit({"a": "1"})
    command = ["ls-remote", "--end-of-options", origin.url]
    refused = run_git(command, folder=tmp_path)
    assert refused.code != 0
    assert "'file' not allowed" in refused.complaint
    assert run_git(command, folder=tmp_path, access=Access(protocol="file")).code == 0


def test_a_remote_that_never_answers_ends_at_the_time_limit(tmp_path: Path) -> None:
    with silent_server() as port:
        url = f"http://127.0.0.1:{port}/x"
        with pytest.raises(SourceError, match=r"no end after 0\.5 s"):
            run_git(
                ["ls-remote", "--end-of-options", url],
                folder=tmp_path,
                access=Access(protocol="http"),
                limits=Limits(seconds=0.5),
            )
        assert processes_with(url) == []


async def test_a_cancelled_look_ends_its_git(tmp_path: Path) -> None:
    with silent_server() as port:
        url = f"http://127.0.0.1:{port}/x"
        repo = Repo(name="x", url=url)
        mirrors = Mirrors(tmp_path / "m")
        task = asyncio.create_task(mirrors.look(repo, Credentials(), accepted=None, signers=None))
        await until(lambda: bool(processes_with(url)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not processes_with(url))


def test_output_is_bounded(tmp_path: Path) -> None:
    origin = Repository(tmp_path / "r")
    origin.commit({"big": b"x" * 3_000_000})
    with pytest.raises(SourceError, match="it said more than 1 MiB"):
        run_git(["cat-file", "blob", "HEAD:big"], folder=origin.path, limits=Limits(output=1 << 20))


def test_what_is_written_is_bounded(tmp_path: Path) -> None:
    origin = Repository(tmp_path / "r")
    origin.commit({"big": os.urandom(3_000_000)})
    bare = tmp_path / "bare"
    run_git(["init", "--quiet", "--bare", str(bare)], folder=tmp_path)
    try:
        answer = run_git(
            ["fetch", "--quiet", "--end-of-options", origin.url, "+refs/heads/main:refs/x"],
            folder=bare,
            bare=bare,
            access=Access(protocol="file"),
            limits=Limits(disk=1 << 20, grows=bare),
        )
    except SourceError as error:
        assert "wrote more than 1 MiB" in error.message  # noqa: PT017 - either bound may come first
    else:
        assert answer.code != 0
    assert not list(bare.rglob("*.pack"))


def test_halting_ends_the_call(tmp_path: Path) -> None:
    halt = threading.Event()
    halt.set()
    with silent_server() as port, pytest.raises(SourceError, match="interrupted"):
        run_git(
            ["ls-remote", "--end-of-options", f"http://127.0.0.1:{port}/y"],
            folder=tmp_path,
            access=Access(protocol="http"),
            halt=halt,
        )


def test_git_never_runs_in_another_folder_than_it_was_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        run_git(["--version"], folder=tmp_path / "missing")
