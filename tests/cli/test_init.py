"""`ctl init`: the scaffold is valid, overwrites nothing, and is committed where git knows the author."""

import subprocess
from pathlib import Path

import pytest

from controller.cli.scaffold import project_name
from controller.declaration.loader import load
from controller.source.config import ConfigRepo
from tests.cli.stage import Stage


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Someone whose git has no settings but what a test writes."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return home


def introduce(home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\nname = Operator\nemail = operator@example.com\n")


@pytest.mark.real
def test_the_scaffold_is_valid_and_declares_a_target_on_this_machine(
    tmp_path: Path, person: Path
) -> None:
    seen = Stage(cwd=tmp_path)("init", "shop")
    assert seen.code == 0, seen.err
    loaded = load(ConfigRepo(tmp_path / "shop").work_tree())
    assert loaded.diagnostics == ()
    assert loaded.declaration is not None
    assert loaded.declaration.settings.name == "shop"
    assert loaded.declaration.targets["greeting"].members == ("here",)


@pytest.mark.real
def test_the_folder_of_the_global_option_is_where_it_begins(tmp_path: Path, person: Path) -> None:
    (tmp_path / "there").mkdir()
    stage = Stage(cwd=tmp_path)
    assert stage("-C", "there", "init").code == 0
    assert stage("-C", "there", "init", "below").code == 0
    assert (tmp_path / "there" / "ctl.yaml").exists()
    assert (tmp_path / "there" / "below" / "ctl.yaml").exists()
    assert not (tmp_path / "ctl.yaml").exists()


@pytest.mark.real
def test_it_is_committed_where_git_knows_who_that_is(tmp_path: Path, person: Path) -> None:
    introduce(person)
    seen = Stage(cwd=tmp_path)("init", "shop")
    repo = ConfigRepo(tmp_path / "shop")
    assert repo.head() is not None
    assert repo.dirty() == ()
    assert seen.err == "next: ctl -C shop plan\nnext: ctl -C shop apply\n"


@pytest.mark.real
def test_without_an_identity_it_says_how_to_apply_all_the_same(
    tmp_path: Path, person: Path
) -> None:
    seen = Stage(cwd=tmp_path)("init", "shop")
    assert ConfigRepo(tmp_path / "shop").head() is None
    assert "ctl -C shop apply --allow-dirty" in seen.err


@pytest.mark.real
def test_it_overwrites_nothing_and_writes_all_or_none(tmp_path: Path, person: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".gitignore").write_text("mine\n")
    seen = Stage(cwd=tmp_path)("init", "shop")
    assert seen.code == 4
    assert [path.name for path in folder.iterdir()] == [".gitignore"]
    assert (folder / ".gitignore").read_text() == "mine\n"


@pytest.mark.real
def test_a_folder_of_somebodys_repository_is_left_for_them_to_commit(
    tmp_path: Path, person: Path
) -> None:
    introduce(person)
    subprocess.run(["git", "init", "-q", tmp_path / "big"], check=True)
    Stage(cwd=tmp_path / "big")("init", "ops")
    assert not (tmp_path / "big" / "ops" / ".git").exists()
    log = subprocess.run(["git", "-C", tmp_path / "big", "log"], capture_output=True, check=False)
    assert log.returncode != 0


@pytest.mark.parametrize(
    ("folder", "name"),
    [("Shop Prod", "shop-prod"), ("..", "main"), ("été", "t"), ("x" * 90, "x" * 63), ("", "main")],
)
def test_every_folder_gives_a_valid_project_name(folder: str, name: str) -> None:
    assert project_name(folder) == name
