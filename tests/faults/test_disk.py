"""A serving controller whose disk is full, or takes back what it said: it ends, says why, and the next goes on from what is true."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for
from tests.e2e.serving import Served, serving, token_of
from tests.faults.books import judge, read_books
from tests.faults.load import Load, answers, begin_blind, command, waited

STRACE = shutil.which("strace")
TINY = "4m"
TRUE_SECONDS = 60.0
ENDS_SECONDS = 30.0
pytestmark = pytest.mark.real


@contextlib.contextmanager
def tiny(folder: Path) -> Iterator[Path]:
    """Mount a disk of a few MiB."""
    folder.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TINY},mode=700", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def ask(served: Served, load: Load, *, seconds: float = 0.0) -> int:
    """Post a command; remember what was accepted."""
    body = {"on": "here", "run": command(load.starts, seconds=seconds)}
    code, told = served.ask("/api/v1/jobs", method="POST", body=body)
    if code == HTTPStatus.ACCEPTED:
        assert isinstance(told, dict)
        load.watched.accepted |= {told["run"], *(job["id"] for job in told["jobs"])}
    return code


def heal(load: Load, lives: list[Served]) -> None:
    """Start again, have everything become true, and hold the controller to all promises."""
    with serving(load.fleet, token=token_of(load.fleet)) as served:
        waited(lambda: answers(served), seconds=TRUE_SECONDS)
        served.look()
        waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
        assert served.stop() == 0
        lives.append(served)
    load.watched.said = [life.text for life in lives]
    load.look()
    books = read_books(load.fleet.state)
    judge(books, load.watched)
    load.fleet.ctl("logs", "verify").ended(0)


@pytest.mark.sweep
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.timeout(600)
def test_a_full_disk_loses_nothing_that_was_accepted(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=1, targets=1)
    load.declare()
    with tiny(fleet.state):
        with serving(fleet) as served:
            waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
            filler = fleet.state / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            codes = []
            with contextlib.suppress(Exception):  # it may have ended meanwhile
                codes = [ask(served, load) for _ in range(5)]
            load.commit()
            time.sleep(3.0)
            filler.unlink()
            if served.process.poll() is None:
                served.kill()
            load.watched.kills += 1
        assert not [code for code in codes if code == HTTPStatus.INTERNAL_SERVER_ERROR], codes
        assert "Traceback" not in served.text, served.text
        heal(load, [served])


@pytest.mark.sweep
@pytest.mark.skipif(STRACE is None, reason="no strace here")
@pytest.mark.parametrize("when", [3, 40])
@pytest.mark.timeout(600)
def test_a_disk_that_takes_back_what_it_said_ends_the_controller(fleet: Fleet, when: int) -> None:
    assert STRACE is not None
    load = Load(fleet=fleet, seed=2, targets=1)
    load.declare()
    with serving(fleet) as first:
        waited(lambda: load.in_force(first), seconds=TRUE_SECONDS)
        assert first.stop() == 0
    inject = ("-e", "trace=fdatasync,fsync", "-e", f"inject=fdatasync,fsync:error=EIO:when={when}")
    broken = begin_blind(fleet, prefix=(STRACE, "-f", "-o", "/dev/null", *inject))
    try:
        deadline = time.monotonic() + TRUE_SECONDS
        while broken.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(Exception):  # it ends meanwhile
                ask(broken, load)
            time.sleep(0.05)
        assert broken.process.poll() is not None, "it goes on after a failed fsync"
    finally:
        if broken.process.poll() is None:
            broken.kill()
    assert broken.process.returncode not in {0, None}
    assert "Traceback" not in broken.text, broken.text
    assert "disk" in broken.text, broken.text
    load.watched.kills += 1
    heal(load, [first, broken])


def test_nothing_is_begun_on_a_disk_that_is_read_only(fleet: Fleet) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    load = Load(fleet=fleet, seed=3, targets=1)
    load.declare()
    with tiny(fleet.state):
        subprocess.run(["mount", "-o", "remount,ro", str(fleet.state)], check=True)
        seen = finished(fleet.spawn("serve", "--listen", "127.0.0.1:0"), seconds=ENDS_SECONDS)
        assert seen.code not in {0, None}
        assert "Traceback" not in seen.all, seen.all
        assert not load.starts.read_text()
    wait_for(lambda: not load.starts.read_text())
