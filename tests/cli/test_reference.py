"""The reference in the documents is the one the program gives."""

from pathlib import Path

from controller.cli.reference import reference


def test_docs_cli_md_is_up_to_date() -> None:
    path = Path(__file__).parents[2] / "docs" / "cli.md"
    assert path.read_text() == reference(), "python -m controller.cli.reference > docs/cli.md"
