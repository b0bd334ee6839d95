"""Every line of a plan names the line, commit and author that its change comes from, told from real commits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.repositories import Repository

SERVERS = """\
servers:
  here:
    local: {}
    groups: [web]
groups:
  web:
    vars:
      greeting: Hello
"""
PIPELINE = """\
tasks:
  greet:
    params: {name: {type: string}}
    env:
      GREETING: "{{ vars.greeting }} {{ params.name }}"
    steps:
      say:
        run: |
          echo one
          echo two
      more:
        script: scripts/more.sh
targets:
  greeting:
    servers: web
    task: greet
    params:
      name: world
  other:
    servers: web
    task: greet
    params: {name: all}
"""
SCRIPT = "#!/bin/sh\necho a\necho b\n"
PLACES = {
    "inventory/servers.yaml": SERVERS,
    "pipelines/a.yaml": PIPELINE,
    "scripts/more.sh": SCRIPT,
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "config")
    made.commit({"ctl.yaml": "", ".gitignore": ".ctl/\n", **PLACES}, author="Beginner")
    return made


def plan(repository: Repository) -> dict[str, tuple[object, ...]]:
    """Plan the last commit against the one before, and give file, line, commit and author by target."""
    told = subprocess.run(
        [sys.executable, "-m", "controller", "plan", "--between", "HEAD~1", "HEAD", "-o", "json"],
        cwd=repository.path,
        env={"PATH": os.environ["PATH"], "HOME": str(repository.path.parent)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return {
        change["target"]: tuple(change["cause"].values())
        for change in json.loads(told.stdout)["changes"]
    }


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "before", "after", "line"),
    [
        ("inventory/servers.yaml", "greeting: Hello", "greeting: Hey", 8),
        ("pipelines/a.yaml", "name: world", "name: moon", 18),
        ("pipelines/a.yaml", "greeting }} {{", "greeting }}, {{", 5),
        ("pipelines/a.yaml", "echo two", "echo 2", 10),
        ("scripts/more.sh", "echo b", "echo c", 3),
    ],
)
def test_the_line_that_was_changed_is_the_cause(
    repository: Repository, file: str, before: str, after: str, line: int
) -> None:
    text = PLACES[file]
    sha = repository.commit({file: text.replace(before, after)}, author="Changer")
    assert plan(repository)["greeting"] == (file, line, sha, "Changer")


@pytest.mark.real
def test_what_vanished_is_laid_to_the_commit_that_removed_it(repository: Repository) -> None:
    without = PIPELINE[: PIPELINE.index("  other:")]
    sha = repository.commit({"pipelines/a.yaml": without}, author="Remover")
    assert plan(repository)["other"] == (None, None, sha, "Remover")
