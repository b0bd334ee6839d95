"""Stored output is exact, whatever is sent twice, torn or missing."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import StateError
from controller.journal import output
from controller.journal.gaps import MOST, Gaps
from controller.journal.output import OutputFiles
from controller.model.ids import AttemptId
from controller.store.folder import sync_folder

ATTEMPT = AttemptId("job000000001.fetch.v2.1")


async def whole(files: OutputFiles, offset: int = 0) -> list[tuple[int, bytes, int]]:
    return [(p.offset, p.data, p.gap) async for p in files.pieces(ATTEMPT, offset)]


async def test_output_grows_and_reads_back(tmp_path: Path) -> None:
    files = OutputFiles(tmp_path)
    assert await files.stored(ATTEMPT) == 0
    assert await whole(files) == []
    await files.append(ATTEMPT, 0, b"one \xff\x00")
    await files.append(ATTEMPT, 6, b"two")
    assert await files.stored(ATTEMPT) == 9
    assert await whole(files) == [(0, b"one \xff\x00two", 0)]
    assert await whole(files, 6) == [(6, b"two", 0)]
    path = tmp_path / "output" / "job000000001" / "fetch.v2.1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_name_of_a_file_is_durable_before_its_first_byte_whoever_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "output" / "job000000001" / "fetch.v2.1"
    path.parent.mkdir(parents=True)
    path.touch()  # by a process that was killed before it could make the name durable
    synced: list[tuple[Path, int]] = []

    def sync(folder: Path) -> None:
        synced.append((folder, path.stat().st_size))
        sync_folder(folder)

    monkeypatch.setattr(output, "sync_folder", sync)
    files = OutputFiles(tmp_path)
    await files.append(ATTEMPT, 0, b"one")
    assert synced == [(path.parent, 0), (tmp_path / "output", 0), (tmp_path, 0)]
    await files.append(ATTEMPT, 3, b"two")
    assert len(synced) == 3, "once is enough"


async def test_a_gap_is_kept_and_shown(tmp_path: Path) -> None:
    files = OutputFiles(tmp_path)
    await files.append(ATTEMPT, 0, b"head")
    await files.append(ATTEMPT, 104, b"tail", gap=100)
    await files.append(ATTEMPT, 104, b"tail", gap=100)
    assert await OutputFiles(tmp_path).stored(ATTEMPT) == 108
    assert await whole(files) == [(0, b"head", 0), (104, b"tail", 100)]
    assert await whole(files, 50) == [(104, b"tail", 54)]
    assert await whole(files, 106) == [(106, b"il", 0)]


async def test_bytes_that_nobody_gave_are_never_made_up(tmp_path: Path) -> None:
    files = OutputFiles(tmp_path)
    await files.append(ATTEMPT, 0, b"abc")
    for gap in (0, 6):
        with pytest.raises(StateError, match="only 3 are stored"):
            await files.append(ATTEMPT, 10, b"x", gap=gap)
    assert await files.stored(ATTEMPT) == 3


@given(
    data=st.binary(max_size=300), sends=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 90)))
)
@settings(deadline=None, max_examples=40)
def test_whatever_is_sent_again_the_bytes_are_exact(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, sends: list[tuple[int, int]]
) -> None:
    async def go() -> None:
        folder = tmp_path_factory.mktemp("again")
        for start, length in sends:
            files = OutputFiles(folder)  # as after a crash
            stored = await files.stored(ATTEMPT)
            begin = min(start, stored)
            await files.append(ATTEMPT, begin, data[begin : begin + length])
            assert await files.stored(ATTEMPT) == max(stored, min(len(data), begin + length))
        stored = await OutputFiles(folder).stored(ATTEMPT)
        pieces = await whole(OutputFiles(folder))
        assert b"".join(piece[1] for piece in pieces) == data[:stored]

    asyncio.run(go())


async def test_past_the_largest_bytes_are_counted_as_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "LARGEST", 10)
    files = OutputFiles(tmp_path)
    await files.append(ATTEMPT, 0, b"12345678")
    await files.append(ATTEMPT, 8, b"90abc")
    await files.append(ATTEMPT, 13, b"def")
    assert await files.stored(ATTEMPT) == 16
    assert await whole(files) == [(0, b"1234567890", 0), (16, b"", 6)]


async def test_gaps_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "output" / "job000000001" / "fetch.v2.1"
    files = OutputFiles(tmp_path)
    await files.append(ATTEMPT, 0, b"")
    gaps = Gaps([(2 * number, 1) for number in range(MOST)])
    gaps.write(path)
    path.write_bytes(b"x" * (MOST - 1))
    await files.append(ATTEMPT, 2 * MOST + 100, b"more", gap=101)
    assert len(Gaps.read(path).pairs) == MOST
    assert await files.stored(ATTEMPT) == 2 * MOST + 104


@pytest.mark.parametrize(
    "name", ["../../etc.x.1", "job.a/b.1", "job.a.0", "job..1", "job.a", "JOB.a.1", "job.a.1\n", ""]
)
async def test_names_never_come_from_outside(tmp_path: Path, name: str) -> None:
    files = OutputFiles(tmp_path)
    with pytest.raises(StateError, match="not the id of an attempt"):
        await files.append(AttemptId(name), 0, b"x")
    with pytest.raises(StateError):
        await files.read(AttemptId(name))
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_damaged_list_of_gaps_is_told(tmp_path: Path) -> None:
    files = OutputFiles(tmp_path)
    await files.append(ATTEMPT, 5, b"x", gap=5)
    path = tmp_path / "output" / "job000000001" / "fetch.v2.1.gaps"
    path.write_bytes(b"[[0")
    with pytest.raises(StateError, match="damaged"):
        await files.stored(ATTEMPT)


async def test_output_that_no_job_needs_any_more_is_swept(tmp_path: Path) -> None:
    files, other = OutputFiles(tmp_path), AttemptId("job000000002.fetch.1")
    files.sweep({"job000000001"})
    await files.append(ATTEMPT, 0, b"kept")
    await files.append(other, 0, b"swept")
    files.sweep({"job000000001"})
    assert (await files.stored(ATTEMPT), await files.stored(other)) == (4, 0)
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["job000000001"]
