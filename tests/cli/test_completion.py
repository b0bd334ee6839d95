"""What a shell is offered."""

from pathlib import Path

import pytest

from controller.cli.candidates import candidates
from tests.cli.stage import Stage

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
        (["check", ""], ["repo", "server"]),
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
