"""The sample CI files and the pre-commit hook: what they run works, on the scaffold that `ctl init` makes."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.fakes.repositories import ENVIRONMENT

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "examples" / "ci"
WORKFLOWS = ("github/fleet.yaml", "gitea/fleet.yaml")
ALL = (*WORKFLOWS, "gitlab/gitlab-ci.yml")


class Checkout:
    """A scaffold with a second commit, in which a runner of a forge works."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "fleet"
        self._bin = folder / "bin"
        self._bin.mkdir()
        ctl = self._bin / "ctl"
        ctl.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m controller "$@"\n')
        ctl.chmod(0o755)
        self.sh(f"ctl init {shlex.quote(str(self.path))}", at=folder).check_returncode()
        self.base = self.commit()
        pipeline = self.path / "pipelines" / "greeting.yaml"
        pipeline.write_text(pipeline.read_text().replace("Hello from ctl", "Hello again"))
        self.head = self.commit()

    def commit(self) -> str:
        done = self.sh(
            "git add --all && git commit --quiet --allow-empty -m change; git rev-parse HEAD"
        )
        done.check_returncode()
        return done.stdout.split()[-1]

    def sh(
        self, text: str, *, variables: Mapping[str, str] | None = None, at: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a text as runners do: by bash, which stops at the first failure."""
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=at or self.path,
            env={
                **ENVIRONMENT,
                "PATH": f"{self._bin}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "GITHUB_STEP_SUMMARY": str(self._bin / "summary"),
                "BASE": getattr(self, "base", ""),
                "HEAD": getattr(self, "head", ""),
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": getattr(self, "base", ""),
                "CI_COMMIT_SHA": getattr(self, "head", ""),
                **(variables or {}),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("ci"))


def texts(sample: str, job: str) -> Iterator[str]:
    """Give the commands of a job in which `ctl` works, as its runner gets them."""
    jobs = yaml.safe_load((SAMPLES / sample).read_text())
    if sample in WORKFLOWS:
        found = [step["run"] for step in jobs["jobs"][job]["steps"] if "run" in step]
    else:
        found = jobs[job]["script"]
    ours = [text for text in found if "ctl " in text]
    assert ours
    yield from ours


@pytest.mark.parametrize("sample", ALL)
def test_a_good_repository_is_valid(checkout: Checkout, sample: str) -> None:
    for text in texts(sample, "validate"):
        done = checkout.sh(text)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sample", ALL)
def test_a_wrong_declaration_fails_and_is_told(checkout: Checkout, sample: str) -> None:
    wrong = checkout.path / "pipelines" / "wrong.yaml"
    wrong.write_text("tasks: {a: {rum: x}}\n")
    try:
        done = [checkout.sh(text) for text in texts(sample, "validate")]
    finally:
        wrong.unlink()
    assert [one.returncode for one in done] == [1]
    assert "pipelines/wrong.yaml" in done[0].stdout


@pytest.mark.parametrize("sample", ALL)
def test_the_plan_says_what_the_merge_changes(checkout: Checkout, sample: str) -> None:
    (checkout.path / "plan.md").unlink(missing_ok=True)
    for text in texts(sample, "plan"):
        done = checkout.sh(text)
        assert done.returncode == 0, done.stdout + done.stderr
    told = (checkout.path / "plan.md").read_text()
    assert "1 to change" in told
    assert "<details><summary><code>~ greeting on here</code></summary>" in told


@pytest.mark.parametrize("sample", ALL)
def test_nothing_from_outside_becomes_the_text_of_a_command(sample: str) -> None:
    tree = yaml.safe_load((SAMPLES / sample).read_text())
    assert "pull_request_target" not in json.dumps(tree)
    for job in tree.get("jobs", {}).values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_the_hook_finds_what_is_wrong(checkout: Checkout) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "ctl-validate"
    assert hook["language"] == "python"
    assert not hook["pass_filenames"]
    assert checkout.sh(hook["entry"]).returncode == 0
    assert checkout.sh(f"{hook['entry']} -C {ROOT / 'tests'}").returncode == 1
