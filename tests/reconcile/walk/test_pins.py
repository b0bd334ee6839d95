"""When a pin lets its target go: against real histories, in every way the branch can move on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.model.declaration import Repo, Target
from controller.model.ids import Sha
from controller.model.standing import Pin, Standing
from controller.reconcile.walk.pins import Held, Over, hold, over, pin_of
from controller.source.access import Credentials
from controller.source.mirrors import Mirrors
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODY = Credentials()


class Shop:
    """A repo whose second commit broke `app/run.sh`, and the pin at the first."""

    def __init__(self, folder: Path) -> None:
        self.origin = Repository(folder / "origin")
        self.mirrors = Mirrors(folder / "mirrors")
        self.repo = Repo(name="shop", url=self.origin.url)
        self.good = self.origin.commit({"app/run.sh": "good", "app/lib.sh": "1", "README": "1"})
        self.bad = self.origin.commit({"app/run.sh": "bad"})
        self.pin = Pin(
            target="web",
            repo="shop",
            commit=self.good,
            bad=self.bad,
            files=("app/run.sh",),
            reason="500s",
            by="ops@example.com",
            at=NOW,
        )

    async def held(self, pin: Pin | None = None, now: datetime = NOW) -> Held:
        seen = await self.mirrors.look(self.repo, NOBODY, accepted=None, signers=None)
        return await hold(self.mirrors, pin or self.pin, self.repo, seen.revision, now)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def nothing(shop: Shop) -> None:
    pass


def another_file(shop: Shop) -> None:
    shop.origin.commit({"README": "2", "app/lib.sh": "2"})


def the_file_and_back(shop: Shop) -> None:
    shop.origin.commit({"app/run.sh": "worse"})
    shop.origin.commit({"app/run.sh": "bad"})


def a_merge_of_another_file(shop: Shop) -> None:
    shop.origin.branch("side")
    shop.origin.commit({"docs": "1"})
    shop.origin.git("checkout", "--quiet", "main")
    shop.origin.commit({"README": "2"})
    shop.origin.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")


def a_rewind_to_the_good_one(shop: Shop) -> None:
    shop.origin.rewind(shop.good)


def a_rewind_and_another_way(shop: Shop) -> None:
    shop.origin.rewind(shop.good)
    shop.origin.commit({"app/run.sh": "fixed"})


@pytest.mark.parametrize(
    "moved",
    [
        nothing,
        another_file,
        the_file_and_back,
        a_merge_of_another_file,
        a_rewind_to_the_good_one,
        a_rewind_and_another_way,
    ],
)
async def test_a_pin_stands_while_what_was_bad_is_as_it_was(
    shop: Shop, moved: Callable[[Shop], None]
) -> None:
    moved(shop)
    held = await shop.held()
    assert held.over is None
    assert held.revision is not None
    assert held.revision.sha == shop.good


def a_fix(shop: Shop) -> None:
    shop.origin.commit({"app/run.sh": "fixed"})


def a_revert(shop: Shop) -> None:
    shop.origin.commit({"README": "2"})
    shop.origin.commit({"app/run.sh": "good"})


def the_file_is_gone(shop: Shop) -> None:
    (shop.origin.path / "app/run.sh").unlink()
    shop.origin.commit({})


def a_merged_fix(shop: Shop) -> None:
    shop.origin.branch("fix")
    shop.origin.commit({"app/run.sh": "fixed"})
    shop.origin.git("checkout", "--quiet", "main")
    shop.origin.commit({"README": "2"})
    shop.origin.git("merge", "--quiet", "--no-ff", "-m", "merge", "fix")


@pytest.mark.parametrize("moved", [a_fix, a_revert, the_file_is_gone, a_merged_fix])
async def test_a_pin_lets_go_when_a_descendant_changes_what_was_bad(
    shop: Shop, moved: Callable[[Shop], None]
) -> None:
    moved(shop)
    held = await shop.held()
    assert held.over == f"commit {shop.origin.head[:7]} changes app/run.sh since {shop.bad[:7]}"
    assert held.revision is not None
    assert held.revision.sha == shop.origin.head


async def test_without_files_any_descendant_lets_go_but_not_the_bad_one_itself(shop: Shop) -> None:
    pin = replace(shop.pin, files=())
    assert (await shop.held(pin)).over is None
    another_file(shop)
    assert (await shop.held(pin)).over == f"commit {shop.origin.head[:7]} follows {shop.bad[:7]}"


async def test_a_pin_ends_at_its_time(shop: Shop) -> None:
    pin = replace(shop.pin, until=NOW + timedelta(hours=1))
    assert (await shop.held(pin, NOW + timedelta(minutes=59))).over is None
    held = await shop.held(pin, NOW + timedelta(hours=1))
    assert held.over == "it was to stand until 2026-03-01 13:00 UTC"
    assert held.revision is not None
    assert held.revision.sha == shop.bad


async def test_a_commit_that_is_lost_holds_the_target_and_says_how_to_go_on(shop: Shop) -> None:
    held = await shop.held(replace(shop.pin, commit=Sha("1" * 40)))
    assert held.revision is None
    assert held.blocker is not None
    assert "pinned at 1111111, which shop has lost" in held.blocker.message
    assert held.blocker.clear == "ctl rollback web --lift --reason TEXT"


async def test_without_a_pin_the_head_counts(shop: Shop) -> None:
    seen = await shop.mirrors.look(shop.repo, NOBODY, accepted=None, signers=None)
    held = await hold(shop.mirrors, None, shop.repo, seen.revision, NOW)
    assert held == Held(revision=seen.revision)


def test_a_pin_follows_its_repo_under_a_new_name_and_says_nothing_of_another(shop: Shop) -> None:
    standing = Standing(pins={"web": shop.pin})
    target = Target(name="web", task="a", servers="all")
    assert pin_of(standing, target, shop.repo) == shop.pin
    assert pin_of(standing, target, replace(shop.repo, name="new", was="shop")) == shop.pin
    assert pin_of(standing, target, replace(shop.repo, name="new")) is None
    assert pin_of(standing, replace(target, name="other"), shop.repo) is None


def test_what_is_over_no_longer_stands(shop: Shop) -> None:
    other = replace(shop.pin, target="blog")
    standing = Standing(pins={"web": shop.pin, "blog": other})
    found = over([Held(revision=None, pin=shop.pin, over="x"), Held(revision=None, pin=other)])
    assert found == Over(pins=((shop.pin, "x"),))
    assert found.left_of(standing) == Standing(pins={"blog": other})
    assert Over().left_of(standing) is standing
