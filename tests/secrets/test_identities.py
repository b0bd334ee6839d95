"""Where the age key is looked for, and that one others can read is not used."""

from pathlib import Path

import pytest

from controller.secrets.identities import KeyPlaces
from controller.secrets.trouble import ReadingError
from tests.secrets.closed import RECIPIENT, key_in


def places(home: Path, **environment: str) -> KeyPlaces:
    return KeyPlaces(environment=environment, home=home, system=home / "etc.txt")


def test_the_first_place_that_has_a_key_counts(tmp_path: Path) -> None:
    looked = places(tmp_path, CREDENTIALS_DIRECTORY="/run/c", SOPS_AGE_KEY_FILE="/s")
    assert [str(path.relative_to(tmp_path)) if path.is_relative_to(tmp_path) else str(path) for path in looked.paths()] == [
        "/run/c/age-key",
        "/s",
        ".config/ctl/age.txt",
        "etc.txt",
        ".config/sops/age/keys.txt",
    ]  # fmt: skip
    own = looked.own()
    own.parent.mkdir(parents=True)
    key_in(tmp_path).rename(own)
    (tmp_path / "etc.txt").write_text("not looked at")
    assert places(tmp_path).read()[0].recipient == RECIPIENT


def test_a_named_file_is_the_only_one(tmp_path: Path) -> None:
    named = KeyPlaces(environment={}, home=tmp_path, named=tmp_path / "none")
    with pytest.raises(ReadingError, match="no such file"):
        named.read()


def test_without_a_key_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match="no age key here") as refusal:
        places(tmp_path).read()
    assert "ctl secret keygen" in (refusal.value.hint or "")


def test_a_key_everybody_can_read_is_not_used(tmp_path: Path) -> None:
    file = key_in(tmp_path)
    file.chmod(0o604)
    with pytest.raises(ReadingError, match="open to everybody") as refusal:
        KeyPlaces(environment={}, home=tmp_path, named=file).read()
    assert refusal.value.hint == f"chmod 600 {file}"
