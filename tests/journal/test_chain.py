"""The chain: lines are put behind it together, whole or not at all, and a crash at any moment is no damage."""

import errno
from pathlib import Path

import pytest

from controller.journal import chain as chain_module
from controller.journal.chain import Chain, FlushError
from controller.journal.files import Head, LogFiles, write_head
from controller.journal.line import Entry, hash_line
from controller.journal.verify import verify_files
from tests.fakes.clocks import FakeClock
from tests.journal.disks import counted_flushes, full, worn_out

THREE = tuple(Entry(event=f"event-{number}", actor="ops@example.com") for number in range(3))


def a_chain(folder: Path) -> tuple[Chain, LogFiles]:
    files = LogFiles(folder, "activity")
    return Chain(files, clock=FakeClock()), files


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "activity-2026.log").read_bytes().splitlines(keepends=True)


def test_many_lines_are_flushed_at_once_and_the_head_knows_the_last(tmp_path: Path) -> None:
    chain, files = a_chain(tmp_path)
    chain.extend(THREE)
    with counted_flushes() as flushes:
        assert chain.extend(THREE * 10) == 30
    assert len(flushes) == 1
    assert verify_files(files) == ()
    assert files.read_head() == Head(seq=33, sha256=hash_line(lines_of(tmp_path)[-1][:-1]))


@pytest.mark.parametrize("lines", [0, 3])
def test_a_crash_between_lines_and_the_head_is_no_damage(
    tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, files = a_chain(tmp_path)
    if lines:
        chain.extend(THREE)

    def crash(descriptor: int, head: Head) -> None:
        if head.seq > lines:
            raise SystemExit(9)
        write_head(descriptor, head)

    with monkeypatch.context() as patch:
        patch.setattr(chain_module, "write_head", crash)
        with pytest.raises(SystemExit):
            chain.extend(THREE)
    assert len(lines_of(tmp_path)) == lines + 3
    assert verify_files(files) == ()
    a_chain(tmp_path)[0].extend(THREE)
    assert len(lines_of(tmp_path)) == lines + 6
    assert verify_files(files) == ()


def test_a_head_that_is_refused_takes_no_line_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, files = a_chain(tmp_path)
    chain.extend(THREE)

    def refuse(_descriptor: int, _head: Head) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(chain_module, "write_head", refuse)
        assert chain.extend(THREE) == 3
    assert verify_files(files) == ()
    chain.extend(THREE)
    assert (len(lines_of(tmp_path)), verify_files(files)) == (9, ())


@pytest.mark.parametrize("more", [0, 1, 150])
def test_a_line_without_room_is_taken_back_and_those_before_it_stand(
    tmp_path: Path, more: int
) -> None:
    chain, files = a_chain(tmp_path)
    chain.extend(THREE)
    path = tmp_path / "activity-2026.log"
    with full(path, room=2 * len(lines_of(tmp_path)[0]) + more):
        assert chain.extend(THREE) == 2
    assert len(lines_of(tmp_path)) == 5
    assert verify_files(files) == ()
    with full(path, room=more), pytest.raises(OSError, match=r"bytes were written|too large"):
        chain.extend(THREE)
    assert chain.extend(THREE) == 3
    assert (len(lines_of(tmp_path)), verify_files(files)) == (8, ())


def test_a_flush_that_fails_is_told_apart_from_a_disk_without_room(tmp_path: Path) -> None:
    chain, _ = a_chain(tmp_path)
    chain.extend(THREE)
    with worn_out(), pytest.raises(FlushError):
        chain.extend(THREE)


def test_a_name_is_durable_before_its_first_line_whoever_made_it(tmp_path: Path) -> None:
    chain, _ = a_chain(tmp_path)
    file = tmp_path / "activity-2026.log"
    file.touch()  # by somebody who was killed right after
    with counted_flushes() as flushes:
        chain.extend(THREE)
    folder, lines = tmp_path.stat().st_ino, file.stat().st_ino
    assert [inode for inode in flushes if inode in {folder, lines}] == [folder, lines]
