"""`ctl get`, `doctor`, `logs verify`, `backup` and `drift adopt` with `--controller`: as by hand, from what the controller tells."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.api.table import ROUTES
from controller.cli.views.kinds import KINDS
from controller.model.token import Role
from tests.api.conftest import QUICK
from tests.api.remote import Person, person
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet, Seen

DECLARED = """\
repos:
  shop: {url: "https://git.example.com/shop.git", branch: stable, interval: 2h}
groups: {web: {vars: {tier: gold}}, all-of-it: {children: [web]}}
servers:
  web-1: {address: 192.0.2.1, groups: [web], labels: {env: prod}, agent: {port: 9999}}
  web-2: {address: 192.0.2.2, groups: [web], ssh: {user: deploy, port: 2222, use_agent: true}}
  edge: {pull: {}, active: false}
inventories:
  legacy: {ansible: inventory/legacy.ini}
tasks:
  hello: {title: Say hello, check: "true", params: {name: {type: string, default: you}}, run: "echo hello"}
  two: {steps: {one: {run: "true"}, two: {run: "true"}}, result: {type: metric}, timeout: 5m}
  conf: {files: [{path: FOLDER/app.conf, content: "workers = 4\\n"}], run: "true"}
targets:
  greet: {servers: here, task: hello, schedule: {cron: "0 3 1 1 *"}, on_commit: plan}
  app: {servers: here, task: conf, on_drift: report}
secrets:
  hook: {env: HOOK_SECRET, expires: 2099-01-31}
  where-it-lies: {file: /somewhere/private/canary-path}
notifiers:
  ops: {url: {secret: hook}, events: [failed], repeat: 1h}
access:
  ada: {role: operator, targets: "greet", rights: [adhoc]}
"""
AGES = re.compile(r"\d+ (?:ms|s|min|h)(?: ago)?|just now")


@pytest.fixture
async def home(fleet: Fleet) -> AsyncIterator[House]:
    (fleet.folder / "work").mkdir()
    (fleet.config.path / "inventory").mkdir(parents=True)
    (fleet.config.path / "inventory/servers.yaml").write_text(fleet.inventory())
    (fleet.config.path / "inventory/legacy.ini").write_text("[old]\nold-1\nold-2\n")
    declared = DECLARED.replace("FOLDER", str(fleet.folder / "work"))
    async with house(fleet, QUICK, declared=declared) as made:
        yield made


@pytest.fixture
async def admin(home: House) -> Person:
    return await person(home, "admin")


async def by_hand(home: House, *words: str) -> Seen:
    return await asyncio.to_thread(home.fleet.ctl, *words)


def cells(text: str) -> list[list[str]]:
    """Read a table, without what passes while it is made."""
    return [re.split(r" {2,}", AGES.sub("T", line)) for line in text.splitlines()]


async def test_every_kind_is_shown_as_by_hand(home: House, admin: Person) -> None:
    (await admin.ctl("check", "server", "here")).ended(0)
    for kind in KINDS:
        await _as_by_hand(home, admin, kind)


async def _as_by_hand(home: House, admin: Person, kind: str) -> None:
    for form in ("table", "wide"):
        ours = cells((await by_hand(home, "get", kind, "-o", form)).ended(0).out)
        theirs = cells((await admin.ctl("get", kind, "-o", form)).ended(0).out)
        assert len(ours) > 1
        if kind == "targets":  # a controller that stays tells more
            theirs = [[one for at, one in enumerate(row) if at not in {5, 6}] for row in theirs]
        if kind == "secrets":  # and keeps to itself where its secrets lie
            ours = [[*row[:2], "-", *row[3:]] for row in ours[1:]]
            theirs = theirs[1:]
        assert theirs == ours
    names = (await by_hand(home, "get", kind, "-o", "name")).out
    assert (await admin.ctl("get", kind, "-o", "name")).ended(0).out == names
    first = names.split()[0].partition("/")[2]
    one = (await admin.ctl("get", kind, first, "-o", "json")).ended(0).json
    same = (await by_hand(home, "get", kind, first, "-o", "json")).ended(0).json
    assert same.keys() <= one.keys()
    assert (await admin.ctl("get", kind, first)).ended(0).out.count("\n") == 2
    (await admin.ctl("get", kind, "nothing-of-this-name")).ended(1)


async def test_where_secrets_lie_is_told_to_nobody_over_there(home: House, admin: Person) -> None:
    for form in ("table", "wide", "json", "yaml"):
        said = (await admin.ctl("get", "secrets", "-o", form)).ended(0).out
        assert "where-it-lies" in said
        assert "canary-path" not in said


async def test_what_is_about_the_whole_fleet_is_for_those_who_see_it(home: House) -> None:
    few = await person(home, "few", Role.OPERATOR, servers="here")
    for words in (
        ("get", "secrets"),
        ("get", "access"),
        ("get", "notifiers"),
        ("get", "inventories"),
        ("logs", "verify"),
    ):
        assert "whole fleet" in (await few.ctl(*words)).ended(4).all, words
    assert "outside the scope" in (await few.ctl("tasks", "--on", "web")).ended(4).all
    assert "outside the scope" in (await few.ctl("inspect", "x", "--on", "web-1")).ended(4).all
    named = {route.name: route for route in ROUTES}
    assert named["secrets"].open_to is None
    assert named["access"].open_to is None


async def test_doctor_says_how_the_controller_is(home: House, admin: Person) -> None:
    said = (await admin.ctl("doctor")).ended(0).out
    assert f"{home.url} answers, version 1.2.3" in said
    assert "is in force" in said
    assert "activity log" in said
    viewer = await person(home, "viewer", Role.VIEWER)
    assert "operator" in (await viewer.ctl("doctor")).ended(0).out


async def test_doctor_finds_a_log_that_was_changed(home: House, admin: Person) -> None:
    (log,) = (home.fleet.state / "logs").glob("activity-*.log")
    (await admin.ctl("logs", "verify")).ended(0)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0].replace(b"ctl", b"xxx", 1), *lines[1:]]))
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    assert "does not hold" in (await admin.ctl("logs", "verify")).ended(1).out
    assert "activity log" in (await admin.ctl("doctor")).ended(1).out


async def test_the_state_comes_into_a_file_here_and_is_checked(home: House, admin: Person) -> None:
    said = (await admin.ctl("backup", "state.tar.gz")).ended(0).out
    goal = admin.place / "state.tar.gz"
    assert str(goal) in said
    assert goal.stat().st_mode & 0o777 == 0o600
    assert "is there already" in (await admin.ctl("backup", "state.tar.gz")).ended(1).all
    assert [one.name for one in admin.place.iterdir()] == ["state.tar.gz"]
    (await by_hand(home, "restore", str(goal), "--state", str(home.fleet.folder / "new"))).ended(0)
    operator = await person(home, "op", Role.OPERATOR)
    assert "admin" in (await operator.ctl("backup", "other.tar.gz")).ended(4).all


async def test_drift_becomes_a_patch_for_the_checkout_here(home: House, admin: Person) -> None:
    conf = home.fleet.folder / "work" / "app.conf"
    (await admin.ctl("apply", "-y", "--target", "app")).ended(0)
    assert conf.read_text() == "workers = 4\n"
    assert not (await admin.ctl("drift", "adopt", "app", "here")).ended(0).out
    conf.write_text("workers = 8\n")
    (await admin.ctl("drift", "adopt", "app", "here", "--out", "drift.patch")).ended(0)
    checkout = _patched(home.fleet.config.path, admin.place)
    assert "workers = 8" in (checkout / "pipelines/main.yaml").read_text()
    assert "workers = 4" in (home.fleet.config.path / "pipelines/main.yaml").read_text()
    viewer = await person(home, "viewer", Role.VIEWER)
    assert "operator" in (await viewer.ctl("drift", "adopt", "app", "here")).ended(4).all
    few = await person(home, "few", Role.OPERATOR, targets="greet")
    assert "outside the scope" in (await few.ctl("drift", "adopt", "app", "here")).ended(4).all


def _patched(source: Path, place: Path) -> Path:
    """Apply the patch to a checkout of the config repository, as a person would."""
    goal = place / "checkout"
    subprocess.run(["git", "clone", "--quiet", str(source), str(goal)], check=True)
    subprocess.run(["git", "apply", "../drift.patch"], cwd=goal, check=True)
    return goal


async def test_a_run_may_be_left_to_the_controller(home: House, admin: Person) -> None:
    said = (await admin.ctl("apply", "-y", "--target", "app", "--no-wait")).ended(0).out
    assert "app on here: pending" in said
    assert "needs --controller" in (await by_hand(home, "apply", "--no-wait")).ended(64).all
