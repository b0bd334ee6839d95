"""The pages for operators are true: their commands run as they stand there, and what they name is so."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from controller.agent.installing import UNITS
from controller.agent.settings import FILE
from controller.agent.unit import HOLDER, PROGRAM, PYTHON, UNIT
from controller.cli.app import build
from controller.cli.verbs import VERBS
from controller.pki.role import Role, days
from tests.cli.stage import Stage

DOCS = Path(__file__).parents[2] / "docs"
PKI, AGENT = (DOCS / "pki.md").read_text(), (DOCS / "agent.md").read_text()


def commands(page: str) -> list[list[str]]:
    """Every command that is shown on a line of its own, or in a sentence."""
    shown = re.findall(r"(?m)^\$ ctl (.*)$", page) + re.findall(r"`ctl ([^`…]+)`", page)
    return [shlex.split(one) for one in dict.fromkeys(shown) if " " in one]


def test_every_command_of_the_page_on_certificates_runs_as_it_stands_there(tmp_path: Path) -> None:
    stage = Stage(cwd=tmp_path)

    def run(words: list[str]) -> None:
        seen = stage(*words, "--dir", "pki")
        assert seen.code == 0, f"{words}: {seen.err}"

    lines = [shlex.split(one) for one in re.findall(r"(?m)^\$ ctl (.*)$", PKI)]
    assert len(lines) >= 10
    for words in lines:
        if words[:3] == ["pki", "list", "--all"]:
            run(["pki", "issue", "web-1", "--role", "agent"])
        run([{"deploy": "root"}.get(one, one) for one in words])


@pytest.mark.parametrize("words", commands(PKI) + commands(AGENT), ids=" ".join)
def test_every_command_that_is_named_is_one(words: list[str]) -> None:
    command: object = get_command(build(VERBS))
    for word in words:
        below = getattr(command, "commands", {})
        if word not in below:
            break
        command = below[word]
    assert not getattr(command, "commands", {}), f"no verb in {words}"
    known = {name for one in getattr(command, "params", ()) for name in one.opts}
    assert {one for one in words if one.startswith("--")} <= known


def test_places_and_lives_are_those_of_the_code() -> None:
    for place in (PROGRAM, FILE, f"{UNITS}/{UNIT}", HOLDER, f"{PYTHON} -I -S {PROGRAM} run"):
        assert place in AGENT
    for role in Role:
        row = re.search(rf"(?m)^\| `{role}` \|.*\| (\d+) days \|$", PKI)
        assert row is not None
        assert int(row[1]) == days(role)
