"""What a shell is offered."""

from pathlib import Path

import pytest

from controller.cli.candidates import candidates
from controller.model.job import StepRun
from controller.store.sqlite import open_store
from tests.cli.stage import Stage
from tests.fakes.clocks import FakeClock
from tests.store.shelf import a_job, a_run, with_bodies

FILE = """\
servers:
  web-1: {}
  web-2.example.com:
    local: {}
tasks:
  deploy:
    steps:
      fetch: {run: "true"}
  # backup:
targets:
  shop: {servers: web-1, task: deploy}
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "ctl.yaml").write_text("")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "a.yaml").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["pl"], ["plan"]),
        (["jobs", "re"], ["resolve", "resume", "retry"]),
        (["run", ""], ["deploy"]),
        (["run", "deploy", "--on", ""], ["web-1", "web-2.example.com"]),
        (["why", ""], ["shop"]),
        (["why", "shop", ""], ["web-1", "web-2.example.com"]),
        (["plan", "--target", "s"], ["shop"]),
        (["check", "server", "web-1"], ["web-1"]),
        (["check", ""], ["config", "repo", "server"]),
        (["get", "targets", ""], ["shop"]),
        (["completion", "f"], ["fish"]),
        (["plan", "--det"], ["--detailed-exitcode"]),
        (["jobs", "logs", "--fo"], ["--follow"]),
        (["nonsense", ""], []),
    ],
)
def test_words_fit_the_place(typed: list[str], offered: list[str], repo: Path) -> None:
    assert candidates(typed, repo) == offered


def test_names_are_found_from_below_the_root_and_nowhere_without_one(
    repo: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert candidates(["run", ""], repo / "pipelines") == ["deploy"]
    assert candidates(["run", ""], tmp_path_factory.mktemp("bare")) == []


def test_links_are_not_followed(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.yaml"
    outside.write_text("tasks:\n  secret-task: {}\n")
    (repo / "pipelines" / "link.yaml").symlink_to(outside)
    assert candidates(["run", ""], repo) == ["deploy"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_that_asks_for_words(shell: str) -> None:
    assert "ctl completion words -- " in Stage()("completion", shell).out


async def test_jobs_and_their_steps_are_offered_from_the_state(repo: Path) -> None:
    older = a_job(1, steps=(StepRun(name="fetch"),))
    newer = a_job(2, steps=(StepRun(name="build"), StepRun(name="restart")))
    store = open_store(repo / ".ctl", clock=FakeClock())
    await store.runs.add(a_run(), with_bodies(older, newer))
    await store.close()
    for words in (
        ["jobs", "stop", ""],
        ["jobs", "workspace", "ls", ""],
        ["jobs", "logs", "-f", ""],
    ):
        assert candidates(words, repo) == sorted(["@last", older.id, newer.id])
    assert candidates(["jobs", "stop", older.id[:5]], repo) == sorted([older.id, newer.id])
    assert candidates(["jobs", "stop", older.id, "--step", ""], repo) == ["fetch"]
    assert candidates(["jobs", "pause", "@last", "--step", "b"], repo) == ["build"]
    assert candidates(["jobs", "workspace", ""], repo) == ["get", "ls", "put", "rm"]


@pytest.mark.parametrize("content", [None, b"", b"not a database"])
def test_a_state_that_cannot_be_read_offers_nothing(repo: Path, content: bytes | None) -> None:
    if content is not None:
        (repo / ".ctl").mkdir()
        (repo / ".ctl" / "state.db").write_bytes(content)
    assert candidates(["jobs", "stop", ""], repo) == []
