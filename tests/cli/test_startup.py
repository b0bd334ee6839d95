"""People wait for imports: a command loads what it uses, and nothing heavy that it does not."""

import subprocess
import sys

import pytest

HEAVY = {"alembic", "asyncssh", "git", "jinja2", "jsonschema", "pydantic", "sqlalchemy", "yaml"}


def loaded(code: str) -> set[str]:
    """Run code in a fresh Python and give the heavy packages that it loaded."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n' + ' '.join(sys.modules))"],
        capture_output=True,
        check=True,
        text=True,
    )
    return HEAVY & set(told.stdout.splitlines()[-1].split())


def run(*argv: str) -> str:
    return f"import sys; sys.argv = ['ctl', *{argv!r}]\nfrom controller.__main__ import main\ntry: main()\nexcept SystemExit: pass"


@pytest.mark.parametrize("argv", [("--version",), ("help", "exit-codes")])
def test_what_needs_no_repository_loads_no_room(argv: tuple[str, ...]) -> None:
    assert loaded(run(*argv)) <= {"yaml"}


def test_the_list_of_verbs_loads_no_verb() -> None:
    assert loaded(run("--help")) == set()


def test_opening_a_controller_loads_what_every_plan_needs_and_no_more() -> None:
    assert loaded("import controller.service.local") == {"git", "sqlalchemy", "yaml"}
