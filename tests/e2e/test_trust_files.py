"""Files and trees that people can trust: put in place whole or not at all, compared byte for byte, and never telling a secret."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import ROOT, Fleet, Seen
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.sweep

# Of each process others: what tests beside this one write to the folders that all share is not taken for a leak of this one.
CANARY = f"kanarienvogel-{os.urandom(4).hex()}"
OTHER = f"zaunkoenig-{os.urandom(4).hex()}"


def files_of(fleet: Fleet, server: str, *entries: str, target: str = "", task: str = "") -> None:
    """Declare a target that delivers files; each entry is a flow mapping."""
    listed = "".join(f"      - {{{entry}}}\n" for entry in entries)
    fleet.declare(
        f"tasks:\n  install:\n    files:\n{listed}{task}"
        f"targets:\n  conf: {{servers: {server}, task: install{target}}}\n"
    )


def nothing_left(folder: Path) -> None:
    """Demand that a delivery left nothing of its own behind."""
    left = [one.name for one in folder.rglob("*") if one.name.startswith((".ctl-new", ".new-"))]
    assert left == []


def settled(fleet: Fleet) -> None:
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_file_is_new_then_changed_then_only_its_mode_and_each_is_told(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    there = fleet.folder / "etc/app.conf"
    entry = f"path: {there}, content: {{}}, mode: '{{}}'"
    files_of(fleet, server, entry.format('"port = 1\\nhost = a\\n"', "0640"))
    said = fleet.ctl("plan", "--detailed-exitcode").ended(2).out
    assert f"+ conf (install) on {server}" in said
    assert f"{there}" in said
    assert not there.exists()
    assert "new" in fleet.ctl("plan").out
    fleet.ctl("apply", "-y").ended(0)
    assert there.read_text() == "port = 1\nhost = a\n"
    assert there.stat().st_mode & 0o7777 == 0o640
    settled(fleet)
    files_of(fleet, server, entry.format('"port = 2\\nhost = a\\n"', "0640"))
    said = fleet.ctl("plan", "--detailed-exitcode").ended(2).out
    assert "-port = 1" in said
    assert "+port = 2" in said
    change = fleet.ctl("plan", "-o", "json").ended(0).json["changes"][0]  # type: ignore[index]
    assert "+port = 2" in json.dumps(change["diff"])
    fleet.ctl("apply", "-y").ended(0)
    assert there.read_text() == "port = 2\nhost = a\n"
    settled(fleet)

    files_of(fleet, server, entry.format('"port = 2\\nhost = a\\n"', "0600"))
    said = fleet.ctl("plan", "--detailed-exitcode").ended(2).out
    assert "0600" in said
    fleet.ctl("apply", "-y").ended(0)
    assert there.stat().st_mode & 0o7777 == 0o600
    settled(fleet)
    nothing_left(fleet.folder / "etc")


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_owner_and_group_are_delivered_and_their_drift_is_seen(ships: Fleet) -> None:
    fleet, server = ships, "web-1"
    there = fleet.folder / "owned"
    files_of(
        fleet, server, f"path: {there}, content: x, owner: nobody, group: daemon",
        target=", on_drift: heal",
    )  # fmt: skip
    fleet.ctl("apply", "-y").ended(0)
    assert (there.owner(), there.group()) == ("nobody", "daemon")
    settled(fleet)
    os.chown(there, 0, 0)
    said = fleet.ctl("plan", "--detailed-exitcode").ended(3).out
    assert "≠ conf" in said
    assert "nobody" in said
    fleet.ctl("apply", "-y").ended(0)
    assert (there.owner(), there.group()) == ("nobody", "daemon")
    settled(fleet)


def test_what_its_own_command_refuses_changes_no_file_at_all(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    first, second = fleet.folder / "a.conf", fleet.folder / "b.conf"
    files_of(
        fleet, server, f"path: {first}, content: one",
        f"path: {second}, content: good, validate: 'grep -q good %s || {{ echo bad-line-7 >&2; exit 3; }}'",
    )  # fmt: skip
    fleet.ctl("apply", "-y").ended(0)
    files_of(
        fleet, server, f"path: {first}, content: two",
        f"path: {second}, content: wrong, validate: 'grep -q good %s || {{ echo bad-line-7 >&2; exit 3; }}'",
        task="    run: touch " + str(fleet.folder / "ran") + "\n",
    )  # fmt: skip
    said = fleet.ctl("apply", "-y").ended(2)
    assert (first.read_text(), second.read_text()) == ("one", "good")
    assert not (fleet.folder / "ran").exists()
    logs = fleet.ctl("jobs", "logs", "@last").ended(0).out
    assert "bad-line-7" in logs
    assert "code 3" in logs
    assert str(second) in logs
    assert str(second) in said.all or "files" in said.all
    nothing_left(fleet.folder)
    fleet.ctl("apply", "-y").ended(4)  # never again by itself
    assert "bad-line-7" in fleet.ctl("jobs", "logs", "@last").ended(0).out


def test_a_backup_keeps_what_was_there(ships: Fleet) -> None:
    fleet, server = ships, "web-1"
    there = fleet.folder / "kept.conf"
    there.write_text("by hand\n")
    files_of(fleet, server, f"path: {there}, content: ours, backup: true")
    fleet.ctl("apply", "-y").ended(0)
    (old,) = fleet.folder.glob("kept.conf.*.bak")
    assert (old.read_text(), there.read_text()) == ("by hand\n", "ours")
    settled(fleet)


def test_drift_of_a_file_is_shown_as_a_diff_and_healed_only_where_declared(
    ships: Fleet,
) -> None:
    fleet, server = ships, "web-1"
    there = fleet.folder / "drifts"
    entry = f'path: {there}, content: "a\\nb\\n"'
    files_of(fleet, server, entry)
    fleet.ctl("apply", "-y").ended(0)
    there.write_text("a\nby hand\n")
    said = fleet.ctl("plan", "--detailed-exitcode").ended(3).out
    assert f"≠ conf (install) on {server}" in said
    assert "-by hand" in said
    assert "+b" in said
    fleet.ctl("apply", "-y").ended(0)
    assert there.read_text() == "a\nby hand\n"
    files_of(fleet, server, entry, target=", on_drift: heal")
    fleet.ctl("plan", "--detailed-exitcode").ended(3)
    fleet.ctl("apply", "-y").ended(0)
    assert there.read_text() == "a\nb\n"
    settled(fleet)
    there.unlink()
    fleet.ctl("plan", "--detailed-exitcode").ended(3)
    fleet.ctl("apply", "-y").ended(0)
    assert there.read_text() == "a\nb\n"
    files_of(fleet, server, entry, target=", on_drift: ignore")
    there.write_text("nobody looks\n")
    settled(fleet)


# --- secrets ---------------------------------------------------------------------------------------------------------

TELLTALE = """\
secrets: {{canary: {{env: CANARY}}}}
tasks:
  conf:
    secrets: {{WORD: canary}}
    files:
      - path: {there}
        content: "user = x\\npassword = {{{{ secret('canary') }}}}\\n"
        mode: "0600"
        validate: 'grep -q password %s'
    run: echo "$WORD"
targets: {{conf: {{servers: {server}, task: conf}}}}
"""


def with_secret(fleet: Fleet, server: str) -> Path:
    there = fleet.folder / "secret.conf"
    fleet.variables["CANARY"] = CANARY
    fleet.declare(TELLTALE.format(there=there, server=server))
    return there


def telltales(fleet: Fleet, words: tuple[str, ...]) -> list[str]:
    """List every file of both sides that holds one of these words."""
    roots = [fleet.folder] + [fleet.base(name) for name in ("here", *fleet.servers)]
    found = []
    for file in (one for root in roots for one in files_below(root)):
        with contextlib.suppress(FileNotFoundError):
            data = file.read_bytes()
            found += [str(file) for word in words if word.encode() in data]
    return found


def files_below(root: Path) -> Iterator[Path]:
    """Find every file below a folder.

    The folder of this machine is shared: tests beside this one clean up in it. What is gone holds nothing; whatever else keeps a folder
    from being read is raised, for a leak could be in there.
    """

    def unread(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for folder, _, names in os.walk(root, onerror=unread):
        for file in (Path(folder, name) for name in names):
            if file.is_file() and not file.is_symlink():
                yield file


def test_a_secret_in_a_file_is_in_that_file_and_nowhere_else_on_either_side(
    ships: Fleet,
) -> None:
    there = with_secret(ships, "web-1")
    saved = ships.folder / "plan.json"
    shown: list[Seen] = []

    def show(code: int) -> None:
        shown.append(ships.ctl("plan", "--detailed-exitcode", "-o", "json").ended(code))
        shown.extend(ships.ctl("plan", "--no-refresh", "-o", kind) for kind in ("table", "md"))
        ships.ctl("plan", "--out", str(saved), "--no-refresh")

    show(2)
    shown.append(ships.ctl("apply", "-y").ended(0))
    assert f"password = {CANARY}\n" in there.read_text()
    there.write_text(f"user = x\npassword = {OTHER}\n")  # by hand somebody writes another value
    show(3)
    shown.append(ships.ctl("apply", "-y", "--heal").ended(0))
    assert CANARY in there.read_text()
    ships.variables["CANARY"] = OTHER  # the value itself changes
    show(2)
    assert "canary" in shown[-1].out
    shown.append(ships.ctl("apply", "-y", "-o", "json").ended(0))
    assert OTHER in there.read_text()
    settled(ships)
    words = (("status",), ("why", "conf", "web-1"), ("jobs", "logs", "@last"), ("logs", "activity"))
    shown.extend(ships.ctl(*each) for each in words)
    for one in shown:
        assert CANARY not in one.all, one.all
        assert OTHER not in one.all, one.all
    assert telltales(ships, (CANARY, OTHER)) == [str(there)]


def test_the_diff_of_a_file_with_a_secret_says_that_it_changed_and_no_more(fleet: Fleet) -> None:
    there = with_secret(fleet, "here")
    fleet.ctl("apply", "-y").ended(0)
    there.write_text("password = hunter2-by-hand\n")
    said = fleet.ctl("plan").ended(0).out
    assert "(secret)" in said
    assert "hunter2" not in said
    assert "hunter2" not in fleet.ctl("plan", "-o", "json").ended(0).out


# --- checkouts -------------------------------------------------------------------------------------------------------


def shop_of(
    fleet: Fleet, server: str, *, releases: int = 1, more: str = ""
) -> tuple[Repository, Path]:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"app/version": "1\n", "run.sh": "#!/bin/sh\n"}, author="Shop Team")
    place = fleet.folder / "srv/shop"
    declare_shop(fleet, shop, place, server, releases=releases, more=more)
    return shop, place


def declare_shop(
    fleet: Fleet, shop: Repository, place: Path, server: str, *, releases: int = 1, more: str = ""
) -> None:
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        f"tasks:\n  deploy: {{checkout: {{path: {place}, releases: {releases}}}}}\n"
        f"targets:\n  shop: {{repo: shop, servers: {server}, task: deploy{more}}}\n"
    )


def test_a_checkout_is_the_tree_of_the_commit_and_keeps_its_releases(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    shop, place = shop_of(fleet, server, releases=2)
    fleet.ctl("apply", "-y").ended(0)
    seen = []
    for number in (2, 3):
        seen.append((place / "current").resolve())
        assert (place / "current/REVISION").read_text().strip() == shop.head
        settled(fleet)
        shop.commit({"app/version": f"{number}\n"}, author="Shop Team")
        fleet.ctl("plan", "--detailed-exitcode").ended(2)
        fleet.ctl("apply", "-y").ended(0)
        assert (place / "current/app/version").read_text() == f"{number}\n"
    trees = [one for one in (place / "releases").iterdir() if one.is_dir()]
    assert sorted(one.resolve() for one in trees) == sorted(
        [seen[1], (place / "current").resolve()]
    )
    settled(fleet)


def test_with_one_release_the_path_itself_is_the_tree(ships: Fleet) -> None:
    fleet, server = ships, "web-1"
    shop, place = shop_of(fleet, server)
    fleet.ctl("apply", "-y").ended(0)
    assert (place / "REVISION").read_text().strip() == shop.head
    assert not (place / ".git").exists()
    head = shop.commit({"app/version": "2\n"}, author="Shop Team")
    fleet.ctl("apply", "-y").ended(0)
    assert (place / "REVISION").read_text().strip() == head
    settled(fleet)


@pytest.mark.parametrize("damage", ["marker", "gone"])
def test_a_tree_that_was_changed_by_hand_is_drift_and_is_healed(ships: Fleet, damage: str) -> None:
    fleet, server = ships, "web-1"
    shop, place = shop_of(fleet, server, more=", on_drift: heal")
    fleet.ctl("apply", "-y").ended(0)
    if damage == "marker":
        (place / "REVISION").write_text("0" * 40 + "\n")
    else:
        shutil.rmtree(place.resolve())
    said = fleet.ctl("plan", "--detailed-exitcode").ended(3).out
    assert "≠ shop" in said
    fleet.ctl("apply", "-y").ended(0)
    assert (place / "REVISION").read_text().strip() == shop.head
    assert (place / "app/version").read_text() == "1\n"
    settled(fleet)


def test_somebody_else_who_deployed_and_a_server_built_anew_are_told_apart(
    ships: Fleet,
) -> None:
    fleet, server = ships, "web-1"
    shop, place = shop_of(fleet, server)
    fleet.ctl("apply", "-y").ended(0)
    first = shop.head
    # a second person with a state of their own deploys a newer commit
    second = shop.commit({"app/version": "2\n"}, author="Shop Team")
    fleet.ctl("apply", "-y", state=fleet.folder / "second").ended(0)
    shop.rewind(first)
    shop.commit({"README": "hm\n"}, author="Shop Team")
    said = fleet.ctl("plan", "--detailed-exitcode")
    assert "not by this state" in said.out
    assert f"(was {second[:7]})" in said.out
    assert "by root@" in said.out or "@" in said.out.split("in force is run")[1].split(" at ")[0]
    # rebuilt: neither marker nor tree are there any more
    fleet.ctl("check", "repo", "shop", "--accept-rewind", "--reason", "test")
    fleet.marker("shop", server).unlink()
    place.unlink()
    said = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "rebuilt" in said.all or "marker" in said.all, said.all
    fleet.ctl("apply", "-y").ended(0)
    assert (place / "REVISION").read_text().strip() == shop.head
    settled(fleet)


def test_a_tree_and_its_files_are_there_before_the_first_step(ships: Fleet) -> None:
    fleet, server = ships, "web-1"
    shop = Repository(fleet.folder / "shop")
    shop.commit({"build.sh": "#!/bin/sh\ncat conf > built\n"})
    place, conf = fleet.folder / "tree", fleet.folder / "tree.conf"
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        f"tasks:\n  deploy:\n    checkout: {{path: {place}}}\n    files: [{{path: {conf}, content: worked}}]\n"
        f"    workdir: {place}\n    steps: {{build: {{run: cat {conf} > {fleet.folder}/built; test -f build.sh}}}}\n"
        f"targets: {{shop: {{repo: shop, servers: {server}, task: deploy}}}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    assert (fleet.folder / "built").read_text() == "worked"
    shown = fleet.ctl("jobs", "show", "@last").ended(0).out
    assert "checkout" in shown
    assert "_checkout" not in shown


# --- what stands in the way ------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(not ROOT, reason="only root mounts disks")
@pytest.mark.parametrize("server", ["here"])
def test_a_full_disk_leaves_every_file_as_it_was(fleet: Fleet, small: Path, server: str) -> None:
    a, b = small / "a", small / "b"
    entries = [f"path: {a}, content: old-a", f"path: {b}, content: old-b"]
    files_of(fleet, server, *entries)
    fleet.ctl("apply", "-y").ended(0)
    files_of(fleet, server, f"path: {a}, content: {'x' * 500_000}", f"path: {b}, content: {'y' * 540_000}")  # fmt: skip
    fleet.ctl("apply", "-y").ended(2)
    assert (a.read_text(), b.read_text()) == ("old-a", "old-b")
    assert "room" in fleet.ctl("jobs", "logs", "@last").ended(0).out
    nothing_left(small)
    files_of(fleet, server, *entries)
    fleet.ctl("apply", "-y").ended(0)
    settled(fleet)


@pytest.mark.skipif(not ROOT, reason="only root mounts disks")
def test_a_disk_that_cannot_be_written_is_said(fleet: Fleet, small: Path) -> None:
    there = small / "a"
    files_of(fleet, "here", f"path: {there}, content: old")
    fleet.ctl("apply", "-y").ended(0)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    files_of(fleet, "here", f"path: {there}, content: new")
    fleet.ctl("apply", "-y").ended(2)
    assert there.read_text() == "old"
    assert "cannot write" in fleet.ctl("jobs", "logs", "@last").ended(0).out


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_put_in_the_way_after_the_plan_leads_nowhere(
    each: tuple[Fleet, str], kind: str
) -> None:
    fleet, server = each
    folder, prey = fleet.folder / "etc", fleet.folder / "prey"
    prey.mkdir()
    (prey / "app.conf").write_text("precious")
    folder.mkdir()
    if ROOT:
        os.chown(folder, 65534, 65534)  # anybody's folder, as /tmp is
        os.chown(fleet.folder, 65534, 65534)
    there = folder / "app.conf"
    files_of(fleet, server, f"path: {there}, content: ours")
    plan = fleet.folder / "plan.json"
    fleet.ctl("plan", "--out", str(plan)).ended(0)
    if kind == "file":
        there.symlink_to(prey / "app.conf")
    else:
        folder.rmdir()
        folder.symlink_to(prey)
    if ROOT:
        os.chown(folder if kind == "folder" else there, 65534, 65534, follow_symlinks=False)
    said = fleet.ctl("apply", str(plan))
    assert said.code in ({2, 4} if ROOT or kind == "file" else {0, 2, 4}), said.all
    assert (prey / "app.conf").read_text() == "precious" or not ROOT
    if said.code == 2:
        assert "symbolic link" in fleet.ctl("jobs", "logs", "@last").ended(0).out


@pytest.mark.parametrize("path", ["/tmp/../etc/x", "relative/x", "/a\\nb"])
def test_a_destination_that_is_no_plain_path_is_a_located_error(fleet: Fleet, path: str) -> None:
    fleet.declare(
        f'tasks:\n  install:\n    files:\n      - path: "{path}"\n        content: x\n'
        "targets: {conf: {servers: here, task: conf}}\n"
    )
    said = fleet.ctl("plan").ended(1)
    assert "pipelines/main.yaml:4" in said.err


def test_two_targets_that_want_one_path_are_both_named(fleet: Fleet) -> None:
    fleet.declare(
        "tasks:\n  a: {files: [{path: /etc/one, content: a}]}\n"
        "  b: {files: [{path: /etc/one, content: b}]}\n"
        "targets:\n  a: {servers: here, task: a}\n  b: {servers: here, task: b}\n"
    )
    said = fleet.ctl("plan").ended(1).err
    assert "pipelines/main.yaml:2" in said
    assert "pipelines/main.yaml:3" in said


def test_a_hostile_tree_is_refused_or_harmless(ships: Fleet) -> None:
    fleet, server = ships, "web-1"
    shop, place = shop_of(fleet, server)
    prey = fleet.folder / "prey"
    prey.mkdir()
    (prey / "x").write_text("precious")
    fleet.ctl("apply", "-y").ended(0)
    good = shop.head
    shop.planted({b"..": b"up", b"a\nb\x1b[2J": b"1", b"-rf": b"2", b"$(touch pwned)": b"3"})
    said = fleet.ctl("apply", "-y")
    assert "\x1b" not in said.all
    assert said.code in {0, 1, 2, 4}
    said.ended(said.code)
    if said.code:
        assert (place / "REVISION").read_text().strip() == good
    shop.rewind(good)
    fleet.ctl("check", "repo", "shop", "--accept-rewind", "--reason", "hostile")
    for target in (str(prey), "../../../prey", "/etc/passwd"):
        link = shop.path / "out"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        shop.commit({"n": target})
        ended = fleet.ctl("apply", "-y")
        assert ended.code in {0, 1, 2, 4}, ended.all
        ended.ended(ended.code)
    assert (prey / "x").read_text() == "precious"
    assert sorted(one.name for one in prey.iterdir()) == ["x"]
    assert not list(fleet.folder.rglob("pwned"))
    assert not (place.parent / "up").exists()


@pytest.mark.sweep
def test_a_tree_of_ten_thousand_files_arrives_whole(ships: Fleet) -> None:
    shop, place = shop_of(ships, "web-1")
    many = {f"d{i % 100}/f{i}": f"{i}\n" for i in range(10_000)}
    shop.commit(many)
    ships.ctl("apply", "-y").ended(0)
    got = [one for one in place.resolve().rglob("f*") if one.is_file()]
    assert len(got) == 10_000
    assert (place / "d99/f9999").read_text() == "9999\n"
    settled(ships)
