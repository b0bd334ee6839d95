"""One command acts on a state at a time, and the next one learns who."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.errors import LockedError, StateError
from controller.store.lock import StateLock
from tests.fakes.clocks import FakeClock

HOLDER = """
import sys, time
from pathlib import Path
from controller.clock import SystemClock
from controller.store.lock import StateLock

held = StateLock(Path(sys.argv[1]), clock=SystemClock()).acquire("ops@example.com", "ctl apply")
print("held", flush=True)
time.sleep(60)
"""


def a_lock(folder: Path) -> StateLock:
    return StateLock(folder, clock=FakeClock())


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    with a_lock(tmp_path).acquire("ops@example.com", "ctl apply"):
        with pytest.raises(LockedError) as told:
            a_lock(tmp_path).acquire("dev@example.com", "ctl run")
        assert told.value.message == (
            "cannot act on this state: ops@example.com runs ctl apply "
            f"(pid {os.getpid()}) since 2026-03-01T12:00:00Z"
        )
        assert "ops@example.com" in (a_lock(tmp_path).holder() or "")
    assert a_lock(tmp_path).holder() is None
    a_lock(tmp_path).acquire("dev@example.com", "ctl run").release()


def test_releasing_twice_frees_it_once(tmp_path: Path) -> None:
    held = a_lock(tmp_path).acquire("a", "b")
    held.release()
    again = a_lock(tmp_path).acquire("c", "d")
    held.release()
    with pytest.raises(LockedError):
        a_lock(tmp_path).acquire("e", "f")
    again.release()


@pytest.mark.real
def test_a_killed_holder_frees_it_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=rf"pid {holder.pid}\b"):
            a_lock(tmp_path).acquire("a", "b")
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=10)
        a_lock(tmp_path).acquire("a", "b").release()
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def test_an_unreadable_signature_still_locks(tmp_path: Path) -> None:
    with a_lock(tmp_path).acquire("a", "b"):
        for signature in (b"", b"[1]", b'{"actor": 1}', b"\xff" * 10_000):
            (tmp_path / "lock").write_bytes(signature)
            with pytest.raises(LockedError, match="somebody else"):
                a_lock(tmp_path).acquire("c", "d")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StateError):
        a_lock(tmp_path).acquire("a", "b")
    assert not (tmp_path / "victim").exists()
