"""The folder: private, locked, and each file old or new."""

import os
import threading
from pathlib import Path

import pytest

from controller.errors import LockedError, NotFoundError, RefusedError, StateError
from controller.pki import folder as room
from controller.pki.folder import PRIVATE, PUBLIC, open_folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "pki"
    made.mkdir(mode=0o700)
    return made


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with open_folder(tmp_path / "a" / "b", make=True) as folder:
        assert folder.names() == []
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_a_folder_in_which_others_may_write_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(RefusedError, match="others may write in it"), open_folder(path):
        pass


def test_so_is_one_below_a_folder_in_which_everybody_may_write(path: Path) -> None:
    path.parent.chmod(0o777)
    with pytest.raises(RefusedError, match="everybody may write in"), open_folder(path):
        pass
    path.parent.chmod(0o1777)
    with open_folder(path):
        pass


def test_links_and_files_are_no_folders(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "file").write_text("")
    for name in ("link", "file"):
        with pytest.raises(RefusedError, match="not a folder"), open_folder(tmp_path / name):
            pass
    with pytest.raises(NotFoundError), open_folder(tmp_path / "none"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused_unless_it_is_meant(path: Path) -> None:
    os.chown(path, 65534, 65534)
    with pytest.raises(RefusedError, match="uid 65534"), open_folder(path):
        pass
    with open_folder(path, owner=65534):
        pass


def test_a_file_is_created_once_with_its_rights_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with open_folder(path) as folder:
            folder.create("a.key", b"secret", mode=PRIVATE)
            with pytest.raises(RefusedError, match="is there already"):
                folder.create("a.key", b"other", mode=PRIVATE)
            folder.append("ledger", b"line\n")
    finally:
        os.umask(before)
    assert (path / "a.key").read_bytes() == b"secret"
    assert (path / "a.key").stat().st_mode & 0o777 == 0o600
    assert (path / "ledger").stat().st_mode & 0o777 == 0o600


def test_links_in_it_are_never_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious\n")
    (path / "x").symlink_to(precious)
    with open_folder(path) as folder:
        with pytest.raises(StateError):
            folder.read("x")
        with pytest.raises(StateError):
            folder.append("x", b"more\n")
        with pytest.raises(RefusedError):
            folder.create("x", b"more\n", mode=PUBLIC)
    assert precious.read_bytes() == b"precious\n"


def test_a_pipe_is_no_file_and_nobody_waits_for_it(path: Path) -> None:
    os.mkfifo(path / "ledger")
    with open_folder(path) as folder, pytest.raises(StateError, match="no plain file"):
        folder.read("ledger")


def test_a_private_key_that_others_may_read_is_not_used(path: Path) -> None:
    (path / "ca.key").write_text("x")
    (path / "ca.key").chmod(0o644)
    with open_folder(path) as folder, pytest.raises(StateError, match="others may read it"):
        folder.read("ca.key")


def test_a_torn_last_line_goes_before_the_next_one(path: Path) -> None:
    with open_folder(path) as folder:
        folder.append("ledger", b"one\n")
        (path / "ledger").write_bytes(b"one\ntwo, but torn before its end")
        folder.append("ledger", b"three\n")
        assert folder.read("ledger") == b"one\nthree\n"


def test_a_full_disk_leaves_nothing_half_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= 3:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-3])

    with open_folder(path) as folder:
        folder.append("ledger", b"one\n")
        folder.write("ca.crt", b"old", mode=PUBLIC)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StateError, match="No space left on device"):
            folder.append("ledger", b"a second line\n")
        with pytest.raises(StateError, match="No space left on device"):
            folder.write("ca.crt", b"something new", mode=PUBLIC)
        with pytest.raises(StateError, match="No space left on device"):
            folder.create("a.key", b"something new", mode=PRIVATE)
        monkeypatch.undo()
        assert folder.read("ledger") == b"one\n"
        assert folder.names() == ["ca.crt", "ledger"]
        assert folder.read("ca.crt") == b"old"


def test_one_command_holds_it_at_a_time(path: Path) -> None:
    held, done = threading.Event(), threading.Event()
    order = []

    def hold() -> None:
        with open_folder(path) as folder, folder.locked():
            held.set()
            done.wait(0.2)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    with open_folder(path) as folder, folder.locked():
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_who_waits_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TRIES", 2)
    with (
        open_folder(path) as one,
        open_folder(path) as other,
        one.locked(),
        pytest.raises(LockedError, match="another command holds it"),
        other.locked(),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works in folders of others")
def test_what_root_makes_in_the_folder_of_a_service_belongs_to_the_service(path: Path) -> None:
    with open_folder(path, shared=True) as folder, folder.locked():
        folder.append("ledger", b"one\n")
    os.chown(path, 64000, 64001)
    os.chown(path / "ledger", 64000, 64001)
    os.chown(path / room.LOCK, 64000, 64001)
    with open_folder(path, shared=True) as folder, folder.locked():
        folder.append("ledger", b"two\n")
        folder.append("other", b"one\n")
        folder.create("main.key", b"secret", mode=PRIVATE)
        folder.write("denied", b"1\n", mode=PUBLIC)
    found = {one.name: one.stat() for one in path.iterdir()}
    assert set(found) == {"ledger", "other", "main.key", "denied", room.LOCK}
    assert {(one.st_uid, one.st_gid) for one in found.values()} == {(64000, 64001)}
    with pytest.raises(RefusedError, match="belongs to another user"), open_folder(path):
        pass
