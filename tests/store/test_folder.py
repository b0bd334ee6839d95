"""The state folder is private, out of git, and on a disk that can be trusted."""

import os
import stat
from pathlib import Path

import pytest

from controller.errors import StateError, UsageError
from controller.store.folder import (
    create_private,
    file_system_of,
    folder_of,
    is_shared,
    prepare,
    service_folder,
    shared_folder,
)

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw - nfs4 server:/export rw
31 30 8:2 / /srv/fast\\040disk rw - xfs /dev/sdb rw
32 22 0:41 / /tmp rw - tmpfs tmpfs rw
33 22 0:42 / /tmp rw - fuse.sshfs host:/ rw
broken line
"""


def test_a_new_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "config" / ".ctl")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE((folder / ".gitignore").stat().st_mode) == 0o600


def test_a_folder_that_is_there_is_made_private_and_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / ".ctl").mkdir(mode=0o755)
    (tmp_path / ".ctl" / ".gitignore").write_text("mine\n")
    folder = prepare(tmp_path / ".ctl")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "mine\n"


def test_links_and_files_are_not_state_folders(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("")
    for name in ("link", "file", "file/below"):
        with pytest.raises(StateError, match="cannot use"):
            prepare(tmp_path / name)
    assert os.listdir(tmp_path / "elsewhere") == []  # noqa: PTH208


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".ctl").mkdir()
    os.chown(tmp_path / ".ctl", 65534, 65534)
    with pytest.raises(StateError, match="belongs to another user"):
        prepare(tmp_path / ".ctl")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ops/.ctl", "ext4"),
        ("/srv/x", "nfs4"),
        ("/srvx", "ext4"),
        ("/srv/fast disk/.ctl", "xfs"),
        ("/tmp/.ctl", "fuse.sshfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_a_file_is_made_once_and_a_link_is_never_followed(tmp_path: Path) -> None:
    assert create_private(tmp_path / "a", b"one") is True
    assert create_private(tmp_path / "a", b"two") is False
    assert (tmp_path / "a").read_bytes() == b"one"
    (tmp_path / "link").symlink_to(tmp_path / "made")
    assert create_private(tmp_path / "link", b"x") is False
    assert not (tmp_path / "made").exists()


def test_folders_and_postgresql_hold_a_state() -> None:
    assert folder_of("/srv/state") == Path("/srv/state")
    assert is_shared("postgresql://db.example.com/ctl")
    for url in ("sqlite:///x", "mysql://db.example.com/ctl"):
        assert not is_shared(url)
        with pytest.raises(UsageError, match="cannot keep the state in"):
            folder_of(url)


def test_the_link_by_which_systemd_names_a_private_folder_is_followed(tmp_path: Path) -> None:
    """As `DynamicUser=` makes it; any other link is refused."""
    private, link = tmp_path / "private", tmp_path / "ctl"
    private.mkdir(mode=0o700)
    link.symlink_to(private)
    with pytest.raises(StateError, match="not a folder"):
        prepare(link)
    variables = {"STATE_DIRECTORY": f"{link}:/elsewhere"}
    found = service_folder(variables)
    assert found is not None
    assert prepare(found) == shared_folder(variables, tmp_path) == private
    assert service_folder({}) is None
