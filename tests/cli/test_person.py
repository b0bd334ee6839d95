"""The person's own settings: below flags and environment, above the defaults; wrong ones are refused with their place."""

from pathlib import Path

import pytest

from controller.cli.person import own_settings
from controller.errors import UsageError
from controller.settings import Color, resolve


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert own_settings(tmp_path / "ctl" / "config.yaml") == {}


def test_what_the_file_says_stands_below_environment_and_flags(tmp_path: Path) -> None:
    own = own_settings(written(tmp_path, "color: never\nno_input: true\nstate: /var/lib/mine\n"))
    alone = resolve({}, user=own)
    assert alone.speech.color is Color.NEVER
    assert alone.speech.no_input
    assert alone.where.state == "/var/lib/mine"
    nearer = resolve({"CTL_STATE": "/env"}, flags={"color": "always"}, user=own)
    assert nearer.where.state == "/env"
    assert nearer.speech.color is Color.ALWAYS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "config.yaml:2:1"),
        ("- a\n", "not a mapping"),
        ("color: [\n", "config.yaml:"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        own_settings(written(tmp_path, text))


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        resolve({}, user=own_settings(written(tmp_path, "colour: never\n")))
