"""What a hostile author or server may put into a repository, and what comes of it: nothing."""

from pathlib import Path

import pytest

from controller.errors import NotFoundError, SourceError
from controller.model.declaration import Repo
from controller.model.ids import Sha
from controller.source.access import Credentials
from controller.source.mirrors import Mirrors
from controller.source.objects import oddity
from controller.source.visit import Look
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


def repo_of(origin: Repository) -> Repo:
    return Repo(name="shop", url=origin.url)


async def look(mirrors: Mirrors, origin: Repository) -> Look:
    return await mirrors.look(repo_of(origin), Credentials(), accepted=None, signers=None)


@pytest.mark.parametrize("name", [b"../evil", b"..", b".git", b".GIT", b".git ", b"a/b", b"."])
async def test_trees_that_git_itself_refuses_do_not_arrive_at_a_second_try_either(
    origin: Repository, mirrors: Mirrors, name: bytes
) -> None:
    sha = origin.planted({name: b"evil"})
    for _ in range(2):
        with pytest.raises(SourceError, match="cannot reach"):
            await look(mirrors, origin)
    with pytest.raises(NotFoundError):
        await mirrors.tree(repo_of(origin), sha)


@pytest.mark.parametrize(
    "name", [b"bell\x07", b"line\nbreak", b"\x1b[31m", b"latin\xe9", b"\xe2\x80\xaebidi", b"a\\b"]
)
async def test_names_that_mislead_are_reported_escaped_and_never_read(
    origin: Repository, mirrors: Mirrors, name: bytes
) -> None:
    sha = origin.planted({name: b"evil", b"zz": b"good"})
    await look(mirrors, origin)
    tree = await mirrors.tree(repo_of(origin), sha)
    assert list(tree.entries) == ["zz"]
    (shown,) = tree.refused
    assert shown.isascii()
    assert shown.isprintable()
    watched = await mirrors.watched(repo_of(origin), sha, ["**"])
    assert watched is not None
    assert len(watched) == 2


async def test_links_and_submodules_are_reported_and_never_followed(
    origin: Repository, mirrors: Mirrors
) -> None:
    (origin.path / "passwd").symlink_to("/etc/passwd")
    origin.commit({"good": "1"})
    link = f"160000,{origin.head},module"
    origin.git("update-index", "--add", "--cacheinfo", link)
    origin.git("commit", "--quiet", "-m", "module")
    sha = origin.head
    await look(mirrors, origin)
    tree = await mirrors.tree(repo_of(origin), sha)
    assert tree.refused == {"passwd": "a symlink", "module": "a submodule"}
    assert list(tree.entries) == ["good"]


async def test_a_bomb_of_trees_is_refused_quickly(origin: Repository, mirrors: Mirrors) -> None:
    blob = origin.git("hash-object", "-w", "--stdin", stdin=b"x")
    lines = "".join(f"100644 blob {blob}\tf{n}\n" for n in range(10))
    tree = origin.git("mktree", stdin=lines.encode())
    for _ in range(9):
        lines = "".join(f"040000 tree {tree}\td{n}\n" for n in range(10))
        tree = origin.git("mktree", stdin=lines.encode())
    sha = Sha(origin.git("commit-tree", tree, "-m", "bomb"))
    origin.git("update-ref", "refs/heads/main", sha)
    await look(mirrors, origin)
    with pytest.raises(SourceError, match="more than 16 MiB"):
        await mirrors.tree(repo_of(origin), sha)
    with pytest.raises(SourceError, match="a tree of more than 200000 files"):
        await mirrors.watched(repo_of(origin), sha, ["**"])


async def test_a_huge_file_is_listed_with_its_size_but_not_read(
    origin: Repository, mirrors: Mirrors
) -> None:
    sha = origin.commit({"huge": b"\0" * (80 << 20), "small": "1"})
    await look(mirrors, origin)
    tree = await mirrors.tree(repo_of(origin), sha)
    assert tree.entries["huge"].size == 80 << 20
    with pytest.raises(SourceError, match="the bound is 64 MiB"):
        tree.read(["huge"])
    assert tree.read(["small"]) == {"small": b"1"}


async def test_a_message_and_a_date_may_claim_anything(
    origin: Repository, mirrors: Mirrors
) -> None:
    tree = origin.git("mktree", stdin=b"")
    raw = (
        f"tree {tree}\nauthor A\x1b[31m <a@example.com> 0 +0000\n"
        f"committer B <b@example.com> 99999999999999 +0000\n\nsubject\x1b]0;x\x07\n{'y' * 50_000}"
    )
    sha = origin.git("hash-object", "-w", "-t", "commit", "--stdin", stdin=raw.encode())
    origin.git("update-ref", "refs/heads/main", sha)
    seen = await look(mirrors, origin)
    assert seen.revision.committed_at.year == 9999
    assert len(seen.revision.message) <= 16_000


async def test_hooks_and_attributes_of_a_mirror_are_never_run(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    origin.commit({".gitattributes": "* filter=evil diff=evil\n", "a": "1"})
    await look(mirrors, origin)
    (mirror,) = (tmp_path / "mirrors").glob("*.git")
    marker = tmp_path / "ran"
    hooks = mirror / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-update", "update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / name).chmod(0o755)
    origin.commit({"a": "2"})
    await look(mirrors, origin)
    assert not marker.exists()


async def test_a_mirror_that_lost_its_objects_says_so(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    sha = origin.commit({"a": "1"})
    await look(mirrors, origin)
    tree = await mirrors.tree(repo_of(origin), sha)
    for index in (tmp_path / "mirrors").rglob("*.idx"):
        index.unlink()
    with pytest.raises(SourceError, match="git does not give it"):
        tree.read(["a"])


@pytest.mark.parametrize("path", ["a", "a/b.yaml", "äö/ü", ".github/x", "x.git/y", "..a", "a..b"])
def test_ordinary_names_are_ordinary(path: str) -> None:
    assert oddity(path) is None


@pytest.mark.parametrize(
    "path", ["", "/a", "a//b", "../a", "a/./b", ".GIT/config", "a/.git. ", "git~1", "u\u0308"]
)
def test_odd_names_are_odd(path: str) -> None:
    assert oddity(path) is not None
