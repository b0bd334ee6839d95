"""Small files: made private and never over another, replaced in one step."""

import os
from pathlib import Path

import pytest

from controller.secrets.disk import one_line, read_small, replace, write_new
from controller.secrets.trouble import ReadingError


def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_new(tmp_path / "it", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "it").stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_over_or_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("there", "link"):
        with pytest.raises(ReadingError, match="is there already"):
            write_new(tmp_path / name, b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert not (tmp_path / "target").exists()
    with pytest.raises(ReadingError, match="no such file"):
        write_new(tmp_path / "no" / "folder", b"x")


def test_replacing_keeps_the_rights_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "it"
    file.write_bytes(b"old")
    file.chmod(0o640)
    replace(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(ReadingError, match="not a regular file"):
        replace(tmp_path / "link", b"new")
    with pytest.raises(ReadingError, match="no such file"):
        replace(tmp_path / "none", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_too_much_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"x" * 2049)
    assert len(read_small(tmp_path / "it", most=4096)) == 2049
    with pytest.raises(ReadingError, match="over 2 KiB"):
        read_small(tmp_path / "it", most=2048)


def test_only_the_newline_of_a_single_line_goes() -> None:
    assert one_line(b"a\r\n") == b"a"
    assert one_line(b"a\nb\n") == b"a\nb\n"
