"""`ctl validate PATH` looks where the person stands, and never says valid of what does not exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "config")
    made.commit(
        {"ctl.yaml": "", "pipelines/a.yaml": "tasks: {}\n", "pipelines/b.yaml": "task: {}\n"}
    )
    return made


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "path", "code"),
    [
        ("", "pipelines/a.yaml", 0),
        ("", "pipelines/b.yaml", 1),
        ("", "./pipelines/", 1),
        ("", ".", 1),
        ("", "pipelines/c.yaml", 1),
        ("", "../elsewhere", 1),
        ("pipelines", "a.yaml", 0),
        ("pipelines", "b.yaml", 1),
        ("pipelines", "pipelines/b.yaml", 1),
    ],
)
def test_a_path_counts_from_where_the_person_stands(
    repository: Repository, folder: str, path: str, code: int
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "controller", "validate", path],
        cwd=repository.path / folder,
        env={"PATH": os.environ["PATH"], "HOME": str(repository.path.parent)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert told.returncode == code, told.stderr + told.stdout
    assert ("cannot" in told.stdout + told.stderr) is bool(code)
