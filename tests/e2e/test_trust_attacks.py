"""Servers that lie about files, authors who declare monsters, clocks that jump, two who apply at once: bounded, and no harm."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, launched, wait_for
from tests.fakes.repositories import Repository
from tests.fakes.sshd import start_sshd

pytestmark = pytest.mark.sweep

CONTROL = {"\x1b", "\x07", "\x9b", "\u202e", "\r"}


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[tuple[Fleet, Path]]:
    """A fleet whose ssh server `web-1` has a folder of tools that come before its own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    sshd = start_sshd(tmp_path / "liar", "web-1", path=f"{tools}:/usr/bin:/bin:/usr/sbin:/sbin")
    with launched(tmp_path, {"web-1": sshd}) as fleet:
        yield fleet, tools
    sshd.loopback.stop()


LIES = {
    "garbage": "printf '\\000\\377 garbage\\n\\n0 f -\\n'",
    "commands": "printf '\\033]0;owned\\007\\033[2J\\033[1;1H all is well \\342\\200\\256\\n'",
    "huge": "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | tr -d '\\n' | head -c 1000000000",
    "lines": "yes 'echo 0 f - 0644 0 0 1 0 root root' | head -c 300000000",
    "numbers": "printf '9999999999999999999999 f - 0999 -1 nan 1e9 x x\\n'",
}


SLOW = [pytest.mark.sweep, pytest.mark.timeout(600)]
"""The look is given up after thirty seconds."""


@pytest.mark.parametrize(
    ("lie", "tool"),
    [
        ("garbage", "stat"),
        ("commands", "sha256sum"),
        ("numbers", "stat"),
        *(
            pytest.param(lie, tool, marks=SLOW)
            for lie in ("huge", "lines")
            for tool in ("stat", "sha256sum")
        ),
    ],
)
def test_a_server_that_lies_about_its_files_costs_its_own_pair_and_no_other(
    liar: tuple[Fleet, Path], lie: str, tool: str
) -> None:
    fleet, tools = liar
    there = fleet.folder / "conf"
    fleet.declare(
        f"tasks: {{conf: {{files: [{{path: '{there}-{{{{ server.name }}}}', content: x}}]}}}}\n"
        "targets: {t: {servers: all, task: conf}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    fake = tools / tool
    fake.write_text(f"#!/bin/sh\n{LIES[lie]}\n")
    fake.chmod(0o755)
    began = time.monotonic()
    (Path(f"{there}-here")).write_text("drifted\n")
    said = fleet.ctl("plan").ended(0)
    assert "on here" in said.out
    assert time.monotonic() - began < 45
    shown = said.all + fleet.ctl("status").ended(0).all
    assert not CONTROL & set(shown)
    fake.unlink()
    said = fleet.ctl("plan").ended(0)
    assert "web-1" not in said.out


def test_a_file_that_grew_enormous_is_drift_without_being_fetched(ships: Fleet) -> None:
    there = ships.folder / "conf"
    ships.declare(
        f"tasks: {{conf: {{files: [{{path: {there}, content: x}}]}}}}\n"
        "targets: {t: {servers: web-1, task: conf}}\n"
    )
    ships.ctl("apply", "-y").ended(0)
    with there.open("r+b") as file:
        file.truncate(20 << 30)
    began = time.monotonic()
    said = ships.ctl("plan", "--detailed-exitcode").ended(3)
    assert time.monotonic() - began < 10
    assert len(said.out) < 10_000
    ships.ctl("apply", "-y", "--heal").ended(0)
    assert there.read_text() == "x"


@pytest.mark.parametrize("what", ["pipe", "folder", "device", "loop"])
def test_what_is_no_file_at_the_place_of_one_is_told_and_hangs_nobody(
    ships: Fleet, what: str
) -> None:
    there = ships.folder / "conf"
    ships.declare(
        f"tasks: {{conf: {{files: [{{path: {there}, content: x}}]}}}}\n"
        "targets: {t: {servers: web-1, task: conf, on_drift: heal}}\n"
    )
    ships.ctl("apply", "-y").ended(0)
    there.unlink()
    if what == "pipe":
        os.mkfifo(there)
    elif what == "folder":
        there.mkdir()
    elif what == "loop":
        there.symlink_to(there)
    else:
        there.symlink_to("/dev/zero")
    began = time.monotonic()
    ships.ctl("plan", "--detailed-exitcode").ended(3)
    ships.ctl("apply", "-y").ended(2)
    assert time.monotonic() - began < 20
    ships.ctl("apply", "-y").ended(4)
    there.rmdir() if what == "folder" else there.unlink()
    ships.ctl("jobs", "retry", "@last").ended(0)
    assert there.read_text() == "x"


def test_files_that_are_too_large_are_a_located_error(fleet: Fleet) -> None:
    big = "x" * 1000
    fleet.declare(
        "tasks:\n  conf:\n    files:\n"
        '      - path: /tmp/never\n        content: "{% for i in range(2000) %}' + big + '{% endfor %}"\n'
        "targets: {t: {servers: here, task: conf}}\n"
    )  # fmt: skip
    said = fleet.ctl("plan").ended(1)
    assert "pipelines/main.yaml:" in said.err


@pytest.mark.parametrize("source", ["../../outside", "/etc/passwd", "files/link", "files/dir/x"])
def test_a_source_outside_of_the_repository_is_a_located_error(fleet: Fleet, source: str) -> None:
    outside = fleet.folder / "outside"
    outside.write_text("secret of the controller\n")
    files = fleet.config.path / "files"
    files.mkdir(parents=True)
    (files / "link").symlink_to(outside)
    (files / "dir").symlink_to(fleet.folder)
    there = fleet.folder / "delivered"
    fleet.declare(
        f"tasks:\n  conf:\n    files:\n      - {{path: {there}, source: {source}}}\n"
        "targets: {t: {servers: here, task: conf}}\n"
    )
    said = fleet.ctl("plan").ended(1)
    assert "pipelines/main.yaml:4" in said.err
    fleet.ctl("apply", "-y").ended(1)
    assert not there.exists()


def test_what_looks_like_a_secret_in_a_delivered_file_stays_text(fleet: Fleet) -> None:
    fleet.variables["CANARY"] = "kanarienvogel-1234"
    there, source = fleet.folder / "conf", b"\x00secret:canary\x00 {{ secret('canary') }}"
    fleet.config.write({"files/x": source})
    fleet.declare(
        "secrets: {canary: {env: CANARY}}\n"
        f"tasks:\n  conf:\n    files: [{{path: {there}, source: files/x}}]\n"
        "targets: {t: {servers: here, task: conf}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    assert there.read_bytes() == source


def test_two_who_apply_other_things_to_one_target_at_once_take_turns(ships: Fleet) -> None:
    there, log, go = (ships.folder / name for name in ("conf", "log", "go"))
    text = (
        "tasks: {{conf: {{files: [{{path: {there}, content: '{n}'}}], run: 'echo {n} >> {log}; while ! test -e {go}; do sleep 0.05; done; grep -qx {n} {there}'}}}}\n"
        "targets: {{t: {{servers: web-1, task: conf}}}}\n"
    )
    ships.declare(text.format(there=there, log=log, n="1", go=go))
    other = ships.folder / "other"
    shutil.copytree(ships.config.path, other)
    (other / "pipelines/main.yaml").write_text(text.format(there=there, log=log, n="2", go=go))
    first = ships.spawn("apply", "-y")
    wait_for(log.exists)
    said = ships.ctl(
        "apply", "-y", "--allow-dirty", state=ships.folder / "state-2", at=other
    ).ended(4)
    assert "locked by" in said.all
    go.touch()
    finished(first).ended(0)
    assert log.read_text() == "1\n"
    ships.ctl("apply", "-y", "--allow-dirty", state=ships.folder / "state-2", at=other).ended(0)
    assert there.read_text() == "2"
    plan = ships.ctl("plan", "--detailed-exitcode").ended(2)
    assert "not by this state" in plan.out


def test_a_planned_folder_that_became_a_link_gets_nothing(ships: Fleet) -> None:
    place, prey = ships.folder / "srv", ships.folder / "prey"
    shop = Repository(ships.folder / "shop")
    shop.commit({"a": "1"})
    prey.mkdir()
    (prey / "keep").touch()
    ships.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        f"tasks: {{deploy: {{checkout: {{path: {place}}}}}}}\n"
        "targets: {t: {repo: shop, servers: web-1, task: deploy}}\n"
    )
    plan = ships.folder / "plan"
    ships.ctl("plan", "--out", str(plan)).ended(0)
    place.symlink_to(prey)
    ships.ctl("apply", str(plan)).ended(2)
    assert [one.name for one in prey.iterdir()] == ["keep"]
    assert "symbolic link" in ships.ctl("jobs", "logs", "@last").ended(0).out
