"""Application repositories: rewritten history, signatures, hosts that have to be trusted first."""

from pathlib import Path

from tests.e2e.fleet import Fleet
from tests.fakes.repositories import Repository, allowed_signers, ssh_key

SHOP = """\
repos: {{shop: {{url: {shop}{more}}}}}
tasks: {{deploy: {{run: 'echo "$CTL_COMMIT" >> {log}'}}}}
targets: {{t: {{repo: shop, servers: here, task: deploy}}}}
"""


def test_rewritten_history_is_refused_until_somebody_accepts_it_with_a_reason(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    shop = Repository(fleet.folder / "shop")
    first = shop.commit({"a": "1"})
    second = shop.commit({"a": "2"})
    fleet.declare(SHOP.format(shop=shop.path, more="", log=log))
    fleet.ctl("apply", "-y").ended(0)
    shop.rewind(first)
    third = shop.commit({"a": "3"})
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(4)
    assert "! t" in plan.out
    fleet.ctl("apply", "-y").ended(4)
    fleet.ctl("check", "repo", "shop").ended(1)
    assert "--accept-rewind --reason" in fleet.ctl("why", "t", "here").all
    assert log.read_text().split() == [second]
    fleet.ctl("check", "repo", "shop", "--accept-rewind").ended(64)
    fleet.ctl("check", "repo", "shop", "--accept-rewind", "--reason", "leaked a key").ended(0)
    told = [event for event in fleet.events() if event["event"] == "rewind-accepted"]
    assert [event["reason"] for event in told] == ["leaked a key"]
    fleet.ctl("plan", "--detailed-exitcode").ended(2)
    fleet.ctl("apply", "-y").ended(0)
    assert log.read_text().split() == [second, third]


def test_only_commits_signed_by_a_declared_key_are_taken(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    good, bad = ssh_key(fleet.folder, "good"), ssh_key(fleet.folder, "bad")
    shop = Repository(fleet.folder / "shop")
    first = shop.signed({"a": "1"}, good)
    fleet.config.write({"keys/allowed_signers": allowed_signers(good=good)})
    fleet.declare(SHOP.format(shop=shop.path, more=", verify: keys/allowed_signers", log=log))
    fleet.ctl("apply", "-y").ended(0)
    for sha in (shop.commit({"a": "2"}), shop.signed({"a": "3"}, bad)):
        plan = fleet.ctl("plan", "--detailed-exitcode").ended(4)
        assert "! t" in plan.out
        fleet.ctl("apply", "-y").ended(4)
        assert sha not in log.read_text()
    shop.rewind(
        first
    )  # what was never taken may go: every commit since the last one taken must be signed
    last = shop.signed({"a": "4"}, good)
    fleet.ctl("apply", "-y").ended(0)
    assert log.read_text().split() == [first, last]


def test_check_repo_tells_where_it_stands_and_cleans_up(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"a": "1"}, message="open the shop", author="Shop Team")
    shop.branch("next")
    shop.branch("main")
    fleet.declare(SHOP.format(shop=shop.path, more="", log=fleet.folder / "log"))
    said = fleet.ctl("check", "repo", "shop").ended(0).out
    for word in ("open the shop", "main", "next", shop.head[:7]):
        assert word in said
    assert not [
        p for p in (fleet.state / "mirrors").rglob("*") if p.is_file() and p.suffix == ".pack"
    ]


def test_tags_are_taken_newest_by_version(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    shop = Repository(fleet.folder / "shop")
    for number in ("v1.9", "v1.10", "v1.2"):
        shop.commit({"a": number})
        shop.tag(number)
    wanted = shop.git("rev-parse", "v1.10")
    fleet.declare(SHOP.format(shop=shop.path, more=', tag: "v*"', log=log))
    fleet.ctl("apply", "-y").ended(0)
    assert log.read_text().split() == [wanted]


def test_a_host_is_trusted_by_a_yes_only(ships: Fleet) -> None:
    text = ships.inventory("web-1").split(", host_key")[0] + "}\n"
    keys = "secrets:\n" + f"  login-web-1: {{file: {ships.servers['web-1'].key}}}\n"
    ships.declare(
        "tasks: {a: {run: 'true'}}\ntargets: {t: {servers: web-1, task: a}}\n",
        inventory__servers_yaml=text + keys,
    )
    plan = ships.ctl("plan").ended(0)
    assert "1 unknown" in plan.summary
    ships.ctl("trust", "web-1", "--no-input").ended(1)
    pinned = ships.config.path / "keys/known_hosts"
    assert not pinned.exists()
    assert "SHA256:" in ships.ctl("trust", "web-1", "-y").ended(0).out
    assert ships.servers["web-1"].loopback.host_key in pinned.read_text()
    ships.declare()
    ships.ctl("apply", "-y").ended(0)
    ships.ctl("plan", "--detailed-exitcode").ended(0)
    before = Path(pinned).read_text()
    ships.ctl("trust", "web-1", "-y").ended(0)
    assert pinned.read_text() == before


def test_a_token_never_leaves_for_the_logs(fleet: Fleet) -> None:
    fleet.variables["TOKEN"] = "forge-token-0123456789"  # noqa: S105
    fleet.declare(
        "repos: {shop: {url: 'https://127.0.0.1:1/x.git', token: forge}}\n"
        "secrets: {forge: {env: TOKEN}}\ntasks: {a: {run: 'true'}}\n"
        "targets: {t: {repo: shop, servers: here, task: a}}\n"
    )
    said = fleet.ctl("plan").ended(1)
    assert "forge-token-0123456789" not in said.all
    del fleet.variables["TOKEN"]
    assert "TOKEN" in fleet.ctl("plan").ended(1).err
