"""The config repository on disk: what is read, what is called dirty, and whose line it is."""

import os
from pathlib import Path

import pytest

from controller.errors import NotFoundError
from controller.model.diagnostic import Place
from controller.model.revision import Written
from controller.source.config import ConfigRepo
from controller.source.place import find
from controller.source.worktree import blob_id
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "config")
    made.commit(
        {
            "ctl.yaml": "",
            ".gitignore": "*.log\n",
            "inventory/servers.yaml": "servers:\n  a: {}\n",
            "scripts/run.sh": "echo\n",
        }
    )
    return made


def test_the_nearest_folder_upwards_with_the_mark_is_found(repository: Repository) -> None:
    assert find(repository.path / "inventory") == repository.path
    with pytest.raises(NotFoundError, match=r"cannot find ctl\.yaml"):
        find(repository.path.parent)


def test_a_clean_work_tree_equals_its_commit(repository: Repository) -> None:
    config = ConfigRepo(repository.path)
    head = config.head()
    assert head is not None
    assert head.sha == repository.head
    assert head.branch == "main"
    assert config.dirty() == ()
    disk, commit = config.work_tree(), config.tree(head.sha)
    assert disk.entries == commit.entries
    assert disk.read(disk.entries) == commit.read(commit.entries)
    assert list(disk.entries) == [
        ".gitignore",
        "ctl.yaml",
        "inventory/servers.yaml",
        "scripts/run.sh",
    ]


def test_the_disk_counts_not_the_commit(repository: Repository) -> None:
    (repository.path / "inventory/servers.yaml").write_text("servers: {}\n")
    repository.write({"pipelines/new.yaml": "tasks: {}\n", "noise.log": "x", ".ctl/state": "x"})
    (repository.path / "scripts/run.sh").unlink()
    config = ConfigRepo(repository.path)
    assert config.dirty() == ("inventory/servers.yaml", "pipelines/new.yaml", "scripts/run.sh")
    tree = config.work_tree()
    assert set(tree.entries) == {
        ".gitignore",
        "ctl.yaml",
        "inventory/servers.yaml",
        "pipelines/new.yaml",
    }
    assert tree.read(["inventory/servers.yaml"]) == {"inventory/servers.yaml": b"servers: {}\n"}
    stored = repository.git("hash-object", "inventory/servers.yaml")
    assert tree.entries["inventory/servers.yaml"].blob == stored


def test_a_tree_does_not_change_while_it_is_read(repository: Repository) -> None:
    repository.write({"inventory/servers.yaml": "one"})
    tree = ConfigRepo(repository.path).work_tree()
    repository.write({"inventory/servers.yaml": "two", "scripts/run.sh": "other"})
    assert tree.read(["inventory/servers.yaml", "scripts/run.sh"]) == {
        "inventory/servers.yaml": b"one",
        "scripts/run.sh": b"echo\n",
    }


def test_a_file_staged_but_not_committed_is_read(repository: Repository) -> None:
    repository.write({"inventory/staged.yaml": "servers: {}\n"})
    repository.git("add", "inventory/staged.yaml")
    config = ConfigRepo(repository.path)
    assert config.dirty() == ("inventory/staged.yaml",)
    assert "inventory/staged.yaml" in config.work_tree().entries


def test_a_folder_without_git_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / ".ctl").mkdir()
    (tmp_path / ".ctl/state.db").write_text("x")
    (tmp_path / "ctl.yaml").write_text("")
    (tmp_path / "inventory/a.yaml").write_text("servers: {}\n")
    config = ConfigRepo(tmp_path)
    assert config.head() is None
    assert config.dirty() == (".",)
    tree = config.work_tree()
    assert list(tree.entries) == ["ctl.yaml", "inventory/a.yaml"]
    assert tree.entries["ctl.yaml"].blob == blob_id(b"")
    assert config.blame([Place(file="ctl.yaml")], None) == {}
    with pytest.raises(NotFoundError):
        config.resolve("HEAD")


def test_a_repository_without_a_commit_has_no_head(tmp_path: Path) -> None:
    made = Repository(tmp_path / "config")
    made.write({"ctl.yaml": ""})
    config = ConfigRepo(made.path)
    assert config.head() is None
    assert config.dirty() == (".",)
    assert list(config.work_tree().entries) == ["ctl.yaml"]


def test_a_folder_inside_a_repository_is_read_from_its_own_root(tmp_path: Path) -> None:
    made = Repository(tmp_path / "mono")
    sha = made.commit({"ops/ctl.yaml": "", "ops/inventory/a.yaml": "a", "app/main.c": "int"})
    made.write({"ops/inventory/b.yaml": "b", "app/other.c": "int"})
    config = ConfigRepo(made.path / "ops")
    assert list(config.tree(sha).entries) == ["ctl.yaml", "inventory/a.yaml"]
    assert config.dirty() == ("inventory/b.yaml",)
    assert list(config.work_tree().entries) == ["ctl.yaml", "inventory/a.yaml", "inventory/b.yaml"]
    assert config.blame([Place(file="inventory/a.yaml")], sha) == {
        Place(file="inventory/a.yaml"): Written(commit=sha, author="Author")
    }


def test_a_folder_that_an_outer_repository_ignores_is_read_as_one_without_git(
    tmp_path: Path,
) -> None:
    outer = Repository(tmp_path / "outer")
    outer.commit({".gitignore": "play/\n"})
    outer.write({"play/ctl.yaml": "", "play/inventory/a.yaml": "a"})
    config = ConfigRepo(outer.path / "play")
    assert config.head() is None
    assert list(config.work_tree().entries) == ["ctl.yaml", "inventory/a.yaml"]


@pytest.mark.parametrize("committed", [True, False])
def test_links_never_lead_outside(repository: Repository, committed: bool) -> None:
    outside = repository.path.parent / "outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text("servers: {}\n")
    (repository.path / "inventory/file.yaml").symlink_to(outside / "secret.yaml")
    (repository.path / "inventory/folder").symlink_to(outside)
    if committed:
        repository.commit(message="links")
    tree = ConfigRepo(repository.path).work_tree()
    assert tree.refused == {"inventory/file.yaml": "a symlink", "inventory/folder": "a symlink"}
    assert not any("secret" in path or "folder" in path for path in tree.entries)


def test_a_tracked_folder_replaced_by_a_link_is_not_read_through_it(
    repository: Repository, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.sh").write_text("evil\n")
    (repository.path / "scripts/run.sh").unlink()
    (repository.path / "scripts").rmdir()
    (repository.path / "scripts").symlink_to(outside)
    tree = ConfigRepo(repository.path).work_tree()
    assert "scripts/run.sh" not in tree.entries
    assert tree.refused["scripts"] == "a symlink"


def test_what_is_no_plain_file_is_left_out(repository: Repository) -> None:
    os.mkfifo(repository.path / "inventory/pipe.yaml")
    repository.write({"big.bin": b"\0" * (9 << 20), "bell\x07.yaml": "x"})
    (repository.path / os.fsdecode(b"latin\xe9.yaml")).write_text("x")
    tree = ConfigRepo(repository.path).work_tree()
    assert "inventory/pipe.yaml" not in tree.entries
    assert tree.refused["big.bin"] == "it is larger than 8 MiB"
    assert "control" in tree.refused["bell\\x07.yaml"]
    assert any("latin" in path for path in tree.refused)


@pytest.mark.parametrize("rev", ["main", "HEAD", "HEAD~0", "v1"])
def test_a_word_for_a_commit_is_resolved(repository: Repository, rev: str) -> None:
    repository.tag("v1", annotated=True)
    assert ConfigRepo(repository.path).resolve(rev) == repository.head


@pytest.mark.parametrize("rev", ["", "nope", "--all", "-h", "HEAD\n", "HEAD~9", "x" * 400, "HEAD:"])
def test_a_word_that_means_no_commit_is_refused(repository: Repository, rev: str) -> None:
    with pytest.raises(NotFoundError):
        ConfigRepo(repository.path).resolve(rev)


def test_blame_tells_the_commit_and_author_of_each_line(repository: Repository) -> None:
    first = repository.head
    text = "servers:\n  a: {}\n  b: {}\n"
    second = repository.commit({"inventory/servers.yaml": text}, author="Second")
    one, three = (Place(file="inventory/servers.yaml", line=n, column=3) for n in (1, 3))
    gone = Place(file="inventory/none.yaml")
    config = ConfigRepo(repository.path)
    blamed = {
        one: Written(commit=first, author="Author", turn=0),
        three: Written(commit=second, author="Second", turn=1),
    }
    assert config.blame([one, three, gone], second) == blamed
    repository.write({"inventory/servers.yaml": "servers:\n  a: {}\n  c: {}\n"})
    assert config.blame([one, three], None) == {one: Written(commit=first, author="Author")}


def test_blame_puts_commits_of_one_second_in_the_order_of_descent(repository: Repository) -> None:
    moment = {"GIT_AUTHOR_DATE": "1700000500 +0000", "GIT_COMMITTER_DATE": "1700000500 +0000"}
    rows = ["one", "two", "three", "four"]
    for count in range(1, 5):
        repository.write({"inventory/rows.yaml": "".join(f"{row}: 1\n" for row in rows[:count])})
        repository.git("add", "--all")
        repository.git("commit", "--quiet", "-m", "row", environment=moment)
    places = [Place(file="inventory/rows.yaml", line=line) for line in range(1, 5)]
    written = ConfigRepo(repository.path).blame(places, None)
    assert [written[place].turn for place in places] == [0, 1, 2, 3]


def test_a_line_behind_the_end_of_its_file_takes_no_other_line_its_author(
    repository: Repository,
) -> None:
    inside, behind = (Place(file="inventory/servers.yaml", line=line) for line in (1, 900))
    assert list(ConfigRepo(repository.path).blame([inside, behind], None)) == [inside]


def test_the_commit_that_removed_a_key_is_found(repository: Repository) -> None:
    text = "servers:\n  a: {}\n  b.c: {}\n  x-b.c: {}\n"
    repository.commit({"inventory/servers.yaml": text})
    gone = repository.commit(
        {"inventory/servers.yaml": text.replace("  b.c: {}\n", "")}, author="R"
    )
    last = repository.commit({"inventory/servers.yaml": "servers:\n  x-b.c: {}\n"}, author="Later")
    found = ConfigRepo(repository.path).last_mentions(["b.c", "b", "a", "-x", "a b"], last)
    assert found == {
        "b.c": Written(commit=gone, author="R"),
        "a": Written(commit=last, author="Later"),
    }


def test_nothing_of_the_repository_s_own_configuration_is_run(repository: Repository) -> None:
    marker = repository.path.parent / "ran"
    hook = repository.path.parent / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external"):
        repository.git("config", name, str(hook))
    repository.write({"inventory/servers.yaml": "changed: 1\n"})
    config = ConfigRepo(repository.path)
    head = config.head()
    assert head is not None
    config.work_tree()
    config.blame([Place(file="inventory/servers.yaml")], head.sha)
    assert config.dirty() == ("inventory/servers.yaml",)
    assert not marker.exists()
