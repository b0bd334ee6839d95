"""What the README shows works: its declarations load, its files exist, its exit codes are those of the table."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from controller.cli.app import build
from controller.cli.exitcodes import TABLE
from controller.cli.verbs import VERBS
from controller.declaration import loader
from controller.model.diagnostic import Severity
from tests.fakes.trees import MemoryTree

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def declared() -> dict[str, str]:
    """Give the files of the README's YAML blocks, each below a comment with its path."""
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert len(blocks) > 1
    parts = re.split(r"(?m)^# (\S+\.yaml)\n", "".join(blocks))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_declarations_of_the_readme_load_without_an_error() -> None:
    files = {"ctl.yaml": "{}\n", **declared()}
    loaded = loader.load(MemoryTree({name: text.encode() for name, text in files.items()}))
    errors = [one for one in loaded.diagnostics if one.severity is Severity.ERROR]
    assert errors == []
    assert loaded.declaration is not None
    assert loaded.declaration.targets["shop-prod"].members == tuple(
        f"web-0{n}.example.com" for n in (1, 2, 3)
    )


def commands() -> list[list[str]]:
    """Every command of the shell blocks, without its remark."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    shown = re.findall(r"(?m)^(?:\.venv/bin/)?ctl (.*)$", "\n".join(blocks))
    return [shlex.split(one, comments=True) for one in shown]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_readme_is_one_and_has_its_flags(words: list[str]) -> None:
    command: object = get_command(build(VERBS))
    for word in words:
        below = getattr(command, "commands", {})
        if word not in below:
            break
        command = below[word]
    assert not getattr(command, "commands", {}), f"no verb in {words}"
    known = {name for one in getattr(command, "params", ()) for name in one.opts}
    own = words[: words.index("--")] if "--" in words else words
    assert {one for one in own if one.startswith("-")} <= known


def test_the_files_the_readme_points_to_exist() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_readme_gives_the_exit_codes_of_the_table() -> None:
    rows = re.findall(r"(?m)^\| ([\d, ]+) \|", README)
    shown = {int(code) for row in rows for code in row.split(",")}
    assert shown == {code for code, *_ in TABLE}
