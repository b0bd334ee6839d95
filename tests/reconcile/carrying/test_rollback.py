"""Going back and going on: a pin holds until it is lifted, and `apply` does what the pin says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, launched
from tests.fakes.repositories import Repository, allowed_signers, ssh_key

PIPELINE = """\
repos: {{shop: {{url: {url}}}}}
tasks: {{deploy: {{run: 'echo $CTL_COMMIT >> {log}; test $CTL_COMMIT != {bad}'}}, plain: {{run: 'true'}}}}
targets:
  web: {{repo: shop, servers: here, task: deploy}}
  app: {{repo: shop, paths: ["app/**"], servers: here, task: plain}}
  bare: {{servers: here, task: plain}}
"""


class Shop:
    """A fleet with an application repo; each applied commit is written to a log."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.origin = Repository(fleet.folder / "shop")
        self.log = fleet.folder / "log"
        self.declare()

    def declare(self, bad: str = "none") -> None:
        url = self.origin.path
        self.fleet.declare(PIPELINE.format(url=url, log=self.log, bad=bad))

    def commit(self, text: str, file: str = "app/run.sh") -> str:
        return self.origin.commit({file: text})

    def apply(self, code: int = 0) -> None:
        self.fleet.ctl("apply", "-y", "--target", "web").ended(code)

    def deployed(self) -> list[str]:
        return self.log.read_text().split()

    def back(self, to: str, *more: str, code: int = 0, target: str = "web") -> str:
        words = ("rollback", target, "--to", to, "--reason", "500s", *more)
        return self.fleet.ctl(*words).ended(code).all

    def told(self, count: int = 2) -> list[object]:
        return [event["event"] for event in self.fleet.events()[-count:]]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with launched(tmp_path) as fleet:
        yield Shop(fleet)


def test_back_to_the_previous_commit_and_on_by_a_fix(shop: Shop) -> None:
    good = shop.commit("good")
    shop.apply()
    bad = shop.commit("bad")
    shop.apply()
    said = shop.back("previous")
    assert f"web is pinned at {good[:7]}: 500s" in said
    assert f"{bad[:7]} is kept out; a later commit that changes one of 1 file lifts the pin" in said
    assert "next: ctl apply --target web" in said
    assert shop.told() == ["target-pinning", "target-pinned"]
    plan = shop.fleet.ctl("plan", "--target", "web").ended(0).out
    assert "1 to change" in plan
    shop.apply()
    assert shop.deployed() == [good, bad, good]
    assert shop.fleet.ctl("plan", "--target", "web").ended(0).summary.startswith("No changes.")
    shop.commit("other", "README")
    assert shop.fleet.ctl("plan", "--target", "web").ended(0).summary.startswith("No changes.")
    fixed = shop.commit("fixed")
    shop.apply()
    assert shop.deployed() == [good, bad, good, fixed]
    events = [event["event"] for event in shop.fleet.events()]
    assert events.count("pin-lifted") == 1


@pytest.mark.sweep
def test_back_again_before_and_after_applying_is_stable(shop: Shop) -> None:
    first = shop.commit("1")
    shop.apply()
    second = shop.commit("2")
    shop.apply()
    shop.commit("3")
    shop.apply()
    assert f"pinned at {second[:7]}" in shop.back("previous")
    assert f"pinned at {second[:7]}" in shop.back("previous")
    shop.apply()
    again = shop.back(second[:8])
    assert f"pinned at {second[:7]}" in again
    assert "replaces the pin at" in again
    assert shop.fleet.ctl("plan", "--target", "web").ended(0).summary.startswith("No changes.")
    assert f"pinned at {first[:7]}" in shop.back("previous")


def test_the_last_good_commit_is_found_behind_failures(shop: Shop) -> None:
    good = shop.commit("good")
    shop.apply()
    bad = shop.commit("bad")
    shop.declare(bad)
    shop.apply(2)
    assert f"pinned at {good[:7]}" in shop.back("previous")
    shop.apply()
    assert shop.deployed() == [good, bad, good]


def test_a_lifted_pin_lets_the_newest_commit_in(shop: Shop) -> None:
    shop.commit("good")
    shop.apply()
    bad = shop.commit("bad")
    shop.apply()
    assert "until 2" in shop.back("main~1", "--until", "2h")
    lift = ("rollback", "web", "--lift", "--reason", "it was the proxy")
    assert "no longer pinned" in shop.fleet.ctl(*lift).ended(0).out
    assert shop.told() == ["pin-lifting", "pin-lifted"]
    assert "is not pinned" in shop.fleet.ctl(*lift).ended(0).out
    assert shop.fleet.ctl("plan", "--target", "web").ended(0).summary.startswith("No changes.")
    assert shop.deployed()[-1] == bad


def test_what_cannot_be_gone_back_to_is_refused(shop: Shop) -> None:
    first = shop.commit("1")
    shop.apply()
    assert "cannot find an earlier commit" in shop.back("previous", code=1)
    second = shop.commit("2", "README")
    assert "is the newest commit there is" in shop.back(second, code=4)
    assert "nothing under its paths differs" in shop.back(first, code=4, target="app")
    assert "git revert" in shop.back(first, code=4, target="bare")
    assert "cannot find commit" in shop.back("0" * 40, code=1)
    shop.origin.branch("other")
    shop.commit("other")
    assert "was never part of main" in shop.back("other", code=4)
    assert "target-pinned" not in [event["event"] for event in shop.fleet.events()]


def test_a_commit_that_is_not_signed_as_it_must_be_is_no_place_to_go_back_to(shop: Shop) -> None:
    ssh_key(shop.fleet.folder, "releaser")
    key = shop.fleet.folder / "releaser"
    unsigned = shop.commit("before anybody signed")
    signed = [shop.origin.signed({"app/run.sh": f"{number}"}, key) for number in (1, 2)]
    url = f"url: {shop.origin.path}"
    text = PIPELINE.format(url=shop.origin.path, log=shop.log, bad="none")
    shop.fleet.declare(
        text.replace(url, f"{url}, verify: keys/signers"),
        keys__signers=allowed_signers(releaser=key).decode(),
    )
    assert "it is not signed" in shop.back(unsigned, code=1)
    assert f"pinned at {signed[0][:7]}" in shop.back(signed[0])


def test_a_remote_that_does_not_answer_keeps_nobody_from_going_back(shop: Shop) -> None:
    good = shop.commit("good")
    shop.apply()
    shop.commit("bad")
    shop.apply()
    shop.origin.path.rename(shop.origin.path.with_name("gone"))
    assert f"pinned at {good[:7]}" in shop.back("previous")


def test_only_what_the_paths_watch_lifts_the_pin_of_a_target_with_paths(shop: Shop) -> None:
    shop.commit("good")
    shop.fleet.ctl("apply", "-y", "--target", "app").ended(0)
    shop.origin.commit({"app/run.sh": "bad", "README": "2"})
    shop.fleet.ctl("apply", "-y", "--target", "app").ended(0)
    assert "one of 1 file lifts" in shop.back("previous", target="app")
    shop.commit("3", "README")
    assert "1 to change" in shop.fleet.ctl("plan", "--target", "app").ended(0).summary
    shop.commit("fixed")
    shop.fleet.ctl("plan", "--target", "app").ended(0)
    assert shop.told() == ["pin-lifting", "pin-lifted"]


def test_looking_without_contact_lifts_no_pin(shop: Shop) -> None:
    shop.commit("good")
    shop.apply()
    shop.commit("bad")
    shop.apply()
    shop.back("previous")
    shop.commit("fixed")
    shop.fleet.ctl("plan", "--at", "HEAD").ended(0)
    shop.fleet.ctl("plan", "--no-refresh").ended(0)
    assert shop.told() == ["target-pinning", "target-pinned"]


def test_a_renamed_repo_keeps_what_was_accepted_and_its_pins(shop: Shop) -> None:
    shop.commit("good")
    shop.apply()
    shop.commit("bad")
    shop.apply()
    shop.back("previous")
    text = PIPELINE.format(url=shop.origin.path, log=shop.log, bad="none")
    renamed = text.replace("{shop: {url", "{store: {was: shop, url").replace(
        "repo: shop", "repo: store"
    )
    shop.fleet.declare(renamed)
    assert "1 to change" in shop.fleet.ctl("plan", "--target", "web").ended(0).summary
    shop.fleet.ctl("rollback", "web", "--lift", "--reason", "x").ended(0)
    shop.origin.rewind("HEAD~1")
    shop.commit("other history")
    said = shop.fleet.ctl("plan", "--target", "web", "--detailed-exitcode")
    assert "does not descend from" in said.all
