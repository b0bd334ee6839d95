"""The first minutes with `ctl`, as a person has them: real processes, this machine, nothing else."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


class Person:
    """Types commands in a fresh home."""

    def __init__(self, home: Path, project: str) -> None:
        self.home = home
        self.repo = home / project
        home.mkdir()
        (home / ".gitconfig").write_text("[user]\nname = Operator\nemail = op@example.com\n")
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(home.parent),
            "LANG": "C.UTF-8",
        }

    def ctl(self, *argv: str, code: int = 0) -> str:
        told = subprocess.run(
            [sys.executable, "-m", "controller", "-C", str(self.repo), *argv],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=50,
            check=False,
        )
        assert told.returncode == code, told.stderr
        assert "\x1b" not in told.stdout + told.stderr
        return told.stdout


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """A person whose project no other has; root's records of it on this machine go afterwards."""
    project = f"first-minutes-{secrets.token_hex(6)}"
    yield Person(tmp_path / "home", project)
    shutil.rmtree(Path("/var/lib/ctl") / project, ignore_errors=True)


@pytest.mark.real
@pytest.mark.slow
def test_init_plan_apply_plan_drift_repair(person: Person) -> None:
    person.ctl("init", str(person.repo))
    assert "Valid" in person.ctl("validate")
    first = person.ctl("plan", "--detailed-exitcode", code=2)
    assert "  + greeting (greet) on here" in first
    assert "Plan: 1 to add, 0 to change, 0 to remove, 0 to run on 1 servers;" in first
    assert "Applied: 1 succeeded" in person.ctl("apply", "-y")
    greeting = person.home / "ctl-greeting.txt"
    assert greeting.read_text() == "Hello from ctl\n"
    assert "No changes." in person.ctl("plan", "--detailed-exitcode")
    greeting.write_text("tampered\n")
    assert "  ≠ greeting (greet) on here" in person.ctl("plan", "--detailed-exitcode", code=3)
    person.ctl("apply", "-y")
    assert greeting.read_text() == "Hello from ctl\n"
    assert "No changes." in person.ctl("plan", "--detailed-exitcode")
    jobs = json.loads(person.ctl("jobs", "list", "-o", "json"))
    assert [job["state"] for job in jobs] == ["succeeded", "succeeded"]
    assert "the chain holds" in person.ctl("logs", "verify")
