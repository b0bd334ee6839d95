"""How commits hang together: what a word means, which commit descends from which, and what lies between."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError
from controller.model.declaration import Repo
from controller.model.ids import Sha
from controller.source.access import Credentials
from controller.source.config import ConfigRepo
from controller.source.mirrors import Mirrors
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real
NOBODY = Credentials()
GONE = Sha("0" * 40)


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "origin")
    made.commit({"app/run.sh": "1", "README": "shop"})
    return made


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


@pytest.fixture
def shop(origin: Repository) -> Repo:
    return Repo(name="shop", url=origin.url)


async def test_a_word_means_a_commit(origin: Repository, mirrors: Mirrors, shop: Repo) -> None:
    first = origin.head
    origin.tag("v1", annotated=True)
    second = origin.commit({"a": "1"})
    await mirrors.look(shop, NOBODY, accepted=None, signers=None)
    for word, sha in (
        (first, first),
        (first[:7], first),
        ("HEAD", second),
        ("HEAD~1", first),
        ("main", second),
        ("main^", first),
        ("v1", first),
    ):
        assert await mirrors.resolve(shop, word, NOBODY) == sha, word


@pytest.mark.parametrize(
    "word", ["", "-x", "--all", "nothing", "HEAD~9", "main:app", "HEAD@{1}", "0" * 40, "a\nb", "^"]
)
async def test_a_word_that_means_nothing_is_not_found(
    origin: Repository, mirrors: Mirrors, shop: Repo, word: str
) -> None:
    await mirrors.look(shop, NOBODY, accepted=None, signers=None)
    with pytest.raises(NotFoundError, match="cannot find commit"):
        await mirrors.resolve(shop, word, NOBODY)


async def test_a_branch_that_never_was_part_of_what_is_watched_is_refused(
    origin: Repository, mirrors: Mirrors, shop: Repo
) -> None:
    await mirrors.look(shop, NOBODY, accepted=None, signers=None)
    origin.branch("other")
    origin.commit({"b": "1"})
    with pytest.raises(RefusedError, match="was never part of main"):
        await mirrors.resolve(shop, "other", NOBODY)


async def test_descent_goes_over_merges_and_only_downwards(
    origin: Repository, mirrors: Mirrors, shop: Repo
) -> None:
    first = origin.head
    origin.branch("side")
    side = origin.commit({"side": "1"})
    origin.git("checkout", "--quiet", "main")
    main = origin.commit({"main": "1"})
    origin.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    await mirrors.look(shop, NOBODY, accepted=None, signers=None)
    for old, new, so in (
        (first, origin.head, True),
        (side, origin.head, True),
        (main, origin.head, True),
        (main, main, True),
        (side, main, False),
        (origin.head, first, False),
        (GONE, first, False),
        (first, GONE, False),
    ):
        assert await mirrors.descends(shop, old, new) is so, (old, new)


async def test_the_files_between_two_commits_are_named_within_the_paths(
    origin: Repository, mirrors: Mirrors, shop: Repo
) -> None:
    first = origin.head
    origin.commit({"app/run.sh": "2", "app/new": "", "docs/x": "1"})
    (origin.path / "README").unlink()
    last = origin.commit({})
    odd = origin.planted({b"bad\xff\nname": b"x"})
    await mirrors.look(shop, NOBODY, accepted=None, signers=None)
    everything = ("README", "app/new", "app/run.sh", "docs/x")
    assert await mirrors.changed(shop, first, last, ()) == everything
    assert await mirrors.changed(shop, last, first, ()) == everything
    assert await mirrors.changed(shop, first, last, ("app/**",)) == ("app/new", "app/run.sh")
    assert await mirrors.changed(shop, first, first, ()) == ()
    assert "bad\\\\xff\\nname" in await mirrors.changed(shop, last, odd, ())
    with pytest.raises(NotFoundError):
        await mirrors.changed(shop, first, GONE, ())


def test_the_commit_of_a_moment_is_the_newest_that_was_on_the_branch(tmp_path: Path) -> None:
    config = Repository(tmp_path / "config")
    first = config.commit({"ctl.yaml": ""})  # at 1_700_000_001, the next each a second later
    config.branch("side")
    config.commit({"a": "1"})
    config.git("checkout", "--quiet", "main")
    third = config.commit({"b": "1"})
    environment = {"GIT_COMMITTER_DATE": "1700000010 +0000"}
    config.git("merge", "--quiet", "--no-ff", "-m", "m", "side", environment=environment)
    found = ConfigRepo(config.path)

    def at(second: float) -> Sha:
        return found.as_of(datetime.fromtimestamp(1_700_000_000 + second, UTC))

    assert at(1) == at(1.5) == at(2.5) == first
    assert at(3) == at(9) == third
    assert at(10) == at(1e6) == config.head
    with pytest.raises(NotFoundError, match="from before 2023-11-14 22:13:20 UTC"):
        at(0)


def test_without_a_commit_there_was_none_at_any_moment(tmp_path: Path) -> None:
    (tmp_path / "ctl.yaml").touch()
    with pytest.raises(NotFoundError):
        ConfigRepo(tmp_path).as_of(datetime(2026, 1, 1, tzinfo=UTC))
