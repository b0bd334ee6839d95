"""The pages for operators are true: their commands run as they stand there, and what they name is so."""

import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from controller.agent.installing import UNITS
from controller.agent.settings import FILE, Settings
from controller.agent.unit import FLAGS, HOLDER, PROGRAM, PYTHON, UNIT, make_units
from controller.agent.values import Address
from controller.cli.app import build
from controller.cli.verbs import VERBS
from controller.pki.role import Role, days
from tests.cli.stage import Stage

KNOWN = (252,)
"""Versions of systemd whose count was looked at."""
DOCS = Path(__file__).parents[2] / "docs"
PKI, AGENT, SERVE = ((DOCS / f"{page}.md").read_text() for page in ("pki", "agent", "serve"))
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if path.name != "cli.md"]
"""What people wrote; the reference of the commands is made from the program."""


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


@cache
def program() -> object:
    return get_command(build(VERBS))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_command_that_is_named_is_one_and_has_its_flags(page: Path) -> None:
    for words in commands(page.read_text()):
        command, own = program(), words[: words.index("--")] if "--" in words else words
        for word in own:
            below = getattr(command, "commands", {})
            if word not in below:
                break
            command = below[word]
        known = {name for one in getattr(command, "params", ()) for name in one.opts}
        flags = {one.partition("=")[0] for one in own if one.startswith("--")}
        assert not getattr(command, "commands", {}) or own[0].startswith("--"), (
            f"no verb in {words}"
        )
        assert flags <= known, words


def test_places_and_lives_are_those_of_the_code() -> None:
    command = " ".join((PYTHON, *FLAGS, PROGRAM, "run"))
    for place in (PROGRAM, FILE, f"{UNITS}/{UNIT}", HOLDER, command):
        assert place in AGENT
    for role in Role:
        row = re.search(rf"(?m)^\| `{role}` \|.*\| (\d+) days \|$", PKI)
        assert row is not None
        assert int(row[1]) == days(role)


@pytest.mark.real
def test_the_score_of_the_unit_is_the_one_that_is_told(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze on this machine")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.split()[1]) not in KNOWN:
        pytest.skip("another systemd counts otherwise")
    settings = Settings(listen=Address(host="192.0.2.1", port=9443))
    (tmp_path / UNIT).write_text(make_units(settings, systemd=252, settings_file=FILE)[UNIT])
    words = [program, "security", "--offline=yes", "--no-pager", str(tmp_path / UNIT)]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    score = re.search(rf"exposure level for {UNIT}: ([0-9.]+)", said)
    assert score is not None, said
    assert f"gives it {score[1]} of 10" in AGENT
