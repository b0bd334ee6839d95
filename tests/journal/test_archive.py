"""Archives hold what is a job's own, are read only as they were written, and are made by one at a time."""

import tarfile
import threading
from pathlib import Path

import pytest

from controller.errors import NotFoundError, StateError
from controller.journal.archive import ArchiveFiles
from controller.model.ids import JobId

JOB = JobId("0123456789ab")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    (folder / "output" / JOB).mkdir(parents=True)
    (folder / "output" / JOB / "build.1").write_bytes(b"said\n")
    (folder / "artifacts" / JOB / "deep").mkdir(parents=True)
    (folder / "artifacts" / JOB / "deep" / "a").write_bytes(b"\x00left")
    return folder


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return sorted(tar.getnames())


def test_an_archive_gives_back_what_was_there(state: Path) -> None:
    files = ArchiveFiles(state)
    made = files.write(JOB, {"job.json": b"{}"}, year=2026)
    assert names(state / made.path) == [
        f"artifacts/{JOB}/deep/a",
        "job.json",
        f"output/{JOB}/build.1",
    ]
    files.clear(JOB, made)
    assert not (state / "output" / JOB).exists()
    with files.unpacked(made) as folder:
        assert (folder / "output" / JOB / "build.1").read_bytes() == b"said\n"
        assert (folder / "artifacts" / JOB / "deep" / "a").read_bytes() == b"\x00left"
    assert not folder.exists()


def test_the_same_job_gives_the_same_archive(state: Path) -> None:
    files = ArchiveFiles(state)
    first = files.write(JOB, {"job.json": b"{}"}, year=2026)
    assert files.write(JOB, {"job.json": b"{}"}, year=2026) == first


def test_no_link_is_followed(state: Path) -> None:
    (state / "secret").write_text("secret")
    (state / "output" / JOB / "link").symlink_to(state / "secret")
    (state / "artifacts" / JOB / "folder").symlink_to(state)
    made = ArchiveFiles(state).write(JOB, {}, year=2026)
    assert names(state / made.path) == [f"artifacts/{JOB}/deep/a", f"output/{JOB}/build.1"]


@pytest.mark.parametrize("job", ["", "..", "../x", "a/b", "A"])
def test_only_ids_of_jobs_name_archives(state: Path, job: str) -> None:
    with pytest.raises(StateError, match="not the id of a job"):
        ArchiveFiles(state).write(JobId(job), {}, year=2026)


def test_nothing_is_cleared_without_the_archive(state: Path) -> None:
    files = ArchiveFiles(state)
    made = files.write(JOB, {}, year=2026)
    (state / made.path).unlink()
    with pytest.raises(NotFoundError):
        files.clear(JOB, made)
    assert (state / "output" / JOB / "build.1").exists()


def test_a_half_of_an_archive_is_left_by_nobody(state: Path) -> None:
    (state / "archive").mkdir()
    (state / "archive" / "2026").write_text("a file where the folder should be")
    with pytest.raises(StateError, match="cannot archive"):
        ArchiveFiles(state).write(JOB, {}, year=2026)
    assert (state / "output" / JOB / "build.1").exists()


def test_one_archives_at_a_time(state: Path) -> None:
    first, second, order = ArchiveFiles(state), ArchiveFiles(state), list[str]()

    def other() -> None:
        with second.turn():
            order.append("second")

    with first.turn():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
