"""The reference in the documents is the one the program gives, and it tells of every verb what it reaches."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from controller.cli.app import build
from controller.cli.reach import REACH, TABLE
from controller.cli.reference import reference
from controller.cli.verbs import VERBS
from tests.cli.stage import Stage


def test_docs_cli_md_is_up_to_date() -> None:
    path = Path(__file__).parents[2] / "docs" / "cli.md"
    assert path.read_text() == reference(), "python -m controller.cli.reference > docs/cli.md"


def leaves(command: object, words: str = "") -> Iterator[str]:
    """Give every verb in full."""
    below = getattr(command, "commands", None)
    if below is None:
        yield words
        return
    for name, one in below.items():
        yield from leaves(one, f"{words} {name}".strip())


def test_of_every_verb_it_is_told_what_it_reaches_once() -> None:
    verbs = sorted(leaves(get_command(build(VERBS))))
    assert sorted(verb for one in TABLE for verb in one.verbs) == verbs


WORDS = {
    "trust": "x", "inventory": "--list", "import ansible": "x", "import ssh-config": "x", "explain": "servers",
    "restore": "x", "pki issue": "x --role agent", "pki show": "x", "pki renew": "x",
    "secret encrypt": "-", "secret decrypt": "-", "pki revoke": "x --reason superseded", "pki invite": "x", "completion": "bash",
}  # fmt: skip
"""What verbs need to be understood at all."""


HERE = {verb for verb, one in REACH.items() if one.there is None} - {"agent run", "agent enroll"}
"""Verbs that reach no controller; those of the agent take words of their own."""


@pytest.mark.parametrize("verb", sorted(HERE))
def test_a_controller_that_is_typed_in_vain_is_refused(verb: str) -> None:
    words = [*verb.split(), *WORDS.get(verb, "").split()]
    seen = Stage()(*words, "--controller", "http://127.0.0.1:1")
    assert seen.code == 64, seen
    assert "leave out --controller" in seen.err, seen
