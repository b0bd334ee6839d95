"""Artifacts land inside their job's folder, whole or not at all, whatever the server calls them."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.errors import NotFoundError, RefusedError, StateError
from controller.journal import artifacts
from controller.journal.artifacts import ArtifactFiles, harmless_path
from controller.model.ids import JobId

JOB = JobId("job000000001")


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for chunk in data:
        yield chunk


def deaf(_: int) -> None:
    pass


async def test_a_file_is_stored_whole_and_found_again(tmp_path: Path) -> None:
    files = ArtifactFiles(tmp_path)
    heard: list[int] = []
    saved = await files.save(JOB, "reports/a.txt", chunks(b"one", b"two"), heard.append)
    assert (saved.path, saved.size) == ("reports/a.txt", 6)
    assert saved.sha256 == hashlib.sha256(b"onetwo").hexdigest()
    assert heard == [3, 6]
    await files.save(JOB, "reports/a.txt", chunks(b"new"), deaf)
    assert await files.list(JOB) == {"reports/a.txt": 3}
    assert files.locate(JOB, "reports/a.txt").read_bytes() == b"new"
    with pytest.raises(NotFoundError):
        files.locate(JOB, "../job000000001/reports/a.txt")


async def test_a_file_that_breaks_off_leaves_the_one_before(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise StateError("cannot go on")

    files = ArtifactFiles(tmp_path)
    await files.save(JOB, "a", chunks(b"whole"), deaf)
    with pytest.raises(StateError, match="cannot go on"):
        await files.save(JOB, "a", broken(), deaf)
    assert files.locate(JOB, "a").read_bytes() == b"whole"
    assert await files.list(JOB) == {"a": 5}
    assert list((tmp_path / "artifacts" / ".part").iterdir()) == []


async def test_size_number_and_sum_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "LARGEST", 10)
    monkeypatch.setattr(artifacts, "WHOLE", 15)
    monkeypatch.setattr(artifacts, "MOST", 3)
    files = ArtifactFiles(tmp_path)
    with pytest.raises(RefusedError, match="more than 10 bytes"):
        await files.save(JOB, "large", chunks(b"x" * 11), deaf)
    await files.save(JOB, "a", chunks(b"x" * 10), deaf)
    with pytest.raises(RefusedError, match="more than 5 bytes"):
        await files.save(JOB, "b", chunks(b"x" * 6), deaf)
    await files.save(JOB, "b", chunks(b""), deaf)
    await files.save(JOB, "c", chunks(b""), deaf)
    with pytest.raises(RefusedError, match="3 already"):
        await files.save(JOB, "d", chunks(b""), deaf)


@given(path=st.one_of(st.text(), st.text(alphabet="./%\x00a\n~\udcff", max_size=400)))
def test_no_path_leaves_its_folder(path: str) -> None:
    harmless = harmless_path(path)
    parts = harmless.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert harmless.isascii()
    assert harmless.isprintable()
    assert all(len(part) < 200 for part in parts)
    assert len(harmless) <= 512


@given(names=st.sets(st.text(alphabet="./%\x00aA2E\n\u00e4", max_size=12), max_size=8))
def test_different_paths_stay_different(names: set[str]) -> None:
    tidy = {"/".join(part for part in name.split("/") if part) for name in names} - {""}
    assert len({harmless_path(name) for name in tidy}) == len(tidy)


def test_long_names_stay_different_and_short() -> None:
    assert harmless_path("a" * 1000) != harmless_path("a" * 1001)
    assert harmless_path("/".join(["abcdef"] * 200)) != harmless_path("/".join(["abcdef"] * 201))


async def test_hostile_names_are_stored_harmlessly(tmp_path: Path) -> None:
    files = ArtifactFiles(tmp_path)
    for name in ("../../../../tmp/x", "/etc/passwd", "x/..", "a\nb", "\x00", "ü"):
        saved = await files.save(JOB, name, chunks(b"x"), deaf)
        assert files.locate(JOB, saved.path).is_relative_to(tmp_path / "artifacts" / JOB)
    assert len(await files.list(JOB)) == 6
    assert os.listdir(tmp_path) == ["artifacts"]  # noqa: PTH208


async def test_a_state_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "artifacts").touch()
    with pytest.raises(StateError, match="cannot keep the artifact a"):
        await ArtifactFiles(tmp_path).save(JOB, "a", chunks(b"x"), deaf)


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c")])
async def test_paths_that_contradict_each_other_are_the_servers_fault_not_the_disks(
    tmp_path: Path, first: str, second: str
) -> None:
    files = ArtifactFiles(tmp_path)
    await files.save(JOB, first, chunks(b"first"), deaf)
    with pytest.raises(RefusedError, match="a file and a folder"):
        await files.save(JOB, second, chunks(b"second"), deaf)
    assert await files.list(JOB) == {first: 5}
    assert list((tmp_path / "artifacts" / ".part").iterdir()) == []


async def test_what_no_job_needs_any_more_is_swept(tmp_path: Path) -> None:
    files, other = ArtifactFiles(tmp_path), JobId("job000000002")
    files.sweep({JOB})
    await files.save(JOB, "a", chunks(b"kept"), deaf)
    await files.save(other, "deep/b", chunks(b"swept"), deaf)
    files.sweep({JOB})
    assert (await files.list(JOB), await files.list(other)) == ({"a": 4}, {})
    assert sorted(p.name for p in (tmp_path / "artifacts").iterdir()) == [".part", JOB]
