"""Output is exact, numbered, bounded, and never holds the command back."""

import asyncio
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.execution import linux
from controller.execution.ending import Ending
from controller.execution.output import Output
from controller.execution.spec import Spec
from controller.execution.spool import Spool
from controller.execution.status import End
from tests.execution.room import A1, Room, collect, script


def spooled(folder: Path, parts: list[bytes], *, head: int, tail: int) -> End:
    folder.mkdir()
    spool = Spool(str(folder), head=head, tail=tail)
    for part in parts:
        spool.take(memoryview(part))
    said = spool.finish()
    return End(
        Ending.EXIT,
        length=int(str(said["length"])),
        sha256=str(said["sha256"]),
        kept=int(str(said["kept"])),
        lost=None,
    )


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 150_000), max_size=12),
    head=st.integers(0, 200_000),
    tail=st.integers(0, 200_000),
    data=st.data(),
)
def test_any_offset_of_any_output_gives_exactly_what_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    head: int,
    tail: int,
    data: st.DataObject,
) -> None:
    parts = [bytes([n % 251]) * size for n, size in enumerate(sizes)]
    whole = b"".join(parts)
    folder = tmp_path_factory.mktemp("spool") / "o"
    end = spooled(folder, parts, head=head, tail=tail)
    assert (end.length, end.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    at = begin = data.draw(st.integers(0, len(whole)))
    output, seen, missing = Output(folder, head=head), 0, 0
    while (chunk := output.read(at, end=end, limit=70_000)) is not None:
        assert chunk.offset == at + chunk.gap
        assert chunk.data == whole[chunk.offset : chunk.offset + len(chunk.data)]
        at, missing, seen = (
            chunk.offset + len(chunk.data),
            missing + chunk.gap,
            seen + len(chunk.data),
        )
    gone = (
        range(min(head, len(whole)), max(head, len(whole) - tail))
        if len(whole) > head + tail
        else range(0)
    )
    assert at == len(whole)
    assert (
        missing == len(range(max(begin, gone.start), max(begin, gone.stop)))
        if gone
        else missing == 0
    )


class Overtaken(Output):
    """A reader that is overtaken: what it finds empty is written on, over several segments, before it looks again."""

    def __init__(self, folder: Path, spool: Spool, more: bytes) -> None:
        super().__init__(folder, head=1 << 20)
        self._spool, self._more = spool, more

    def _piece(self, begin: int, skip: int, limit: int) -> bytes | None:
        found = super()._piece(begin, skip, limit)
        if not found:
            self._spool.take(memoryview(self._more))
            self._more = b""
        return found


@pytest.mark.parametrize("already", [1000, 64 << 10, 2 << 20])
def test_what_is_written_while_it_is_looked_for_is_no_gap(tmp_path: Path, already: int) -> None:
    spool = Spool(str(tmp_path), head=1 << 20, tail=9 << 20)
    spool.take(memoryview(b"a" * already))
    more = os.urandom(3 << 20)
    reader, offset, read = Overtaken(tmp_path, spool, more), already, b""
    while len(read) < len(more):
        chunk = reader.read(offset, end=None)
        if chunk is not None:
            assert (chunk.offset, chunk.gap) == (offset, 0)
            read, offset = read + chunk.data, offset + len(chunk.data)
    assert read == more


async def test_a_hundred_megabytes_cost_no_memory_and_little_disk(bare: Room) -> None:
    executor = await bare.enter()
    spec = Spec(id=A1, job="job", argv=("head", "-c", "100000000", "/dev/zero"), workdir="/")
    await bare.start(executor, spec)
    supervisor, peaks = executor._watch.get(A1).pid, [0]
    while not executor.status(A1).over:
        try:
            rollup = linux.read(f"/proc/{supervisor}/smaps_rollup")
        except OSError:
            break
        private = sum(
            int(row.split()[1]) for row in rollup.splitlines() if row.startswith("Private_Dirty")
        )
        peaks.append(private)
        await asyncio.sleep(0.01)
    status = await executor.wait(A1)
    assert status.end is not None
    assert status.end.length == 100_000_000
    assert status.end.sha256 == hashlib.sha256(bytes(100_000_000)).hexdigest()
    assert max(peaks) < 8 << 10
    on_disk = sum(path.stat().st_size for path in (bare.folder / "attempts" / A1).glob("o.*"))
    assert on_disk <= (10 << 20) + (2 << 20)
    chunks = [chunk async for chunk in executor.output(A1)]
    assert [chunk.gap for chunk in chunks if chunk.gap] == [100_000_000 - (10 << 20)]
    assert sum(len(chunk.data) for chunk in chunks) == 10 << 20


async def test_nobody_reading_holds_nobody_back(bare: Room) -> None:
    executor = await bare.enter()
    status = await bare.run(executor, script(A1, "head -c 3000000 /dev/urandom; exit 4"))
    assert status.end is not None
    assert status.end.exit_code == 4
    assert hashlib.sha256(await collect(executor, A1)).hexdigest() == status.end.sha256


async def test_output_is_followed_while_it_grows_and_resumed_from_any_offset(bare: Room) -> None:
    executor = await bare.enter()
    await bare.start(executor, script(A1, "for i in 1 2 3 4 5; do echo $i; sleep 0.03; done"))
    assert await collect(executor, A1, follow=True) == b"1\n2\n3\n4\n5\n"
    assert [chunk.data async for chunk in executor.output(A1, offset=6)] == [b"4\n5\n"]
    assert [chunk async for chunk in executor.output(A1, offset=1000)] == []


async def test_output_held_processes_and_ends_are_told_at_once_and_nobody_looks_for_them(
    bare: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.execution.watch.TOLD", 60.0)
    monkeypatch.setattr("controller.execution.following.LOOK", (60.0, 60.0))
    monkeypatch.setattr("controller.execution.steering.LOOK", 60.0)
    executor = await bare.enter()
    await bare.start(executor, script(A1, "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done"))
    began, followers = time.monotonic(), 3
    said = await asyncio.gather(
        *(collect(executor, A1, follow=True) for _ in range(followers)), executor.wait(A1)
    )
    assert said[:-1] == [b"1\n2\n3\n4\n5\n"] * followers
    await bare.start(executor, script(f"{A1}.2", "sleep 1000"))
    await executor.pause(f"{A1}.2")
    await executor.resume(f"{A1}.2")
    await executor.stop(f"{A1}.2")
    assert time.monotonic() - began < 20


async def test_output_is_followed_across_a_restart(bare: Room) -> None:
    executor = await bare.enter()
    await bare.start(executor, script(A1, "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done"))
    await bare.leave(executor)
    executor = await bare.enter()
    assert await collect(executor, A1, follow=True) == b"1\n2\n3\n4\n5\n"
    await bare.run(executor, script(f"{A1}.2", "true"))
    assert await collect(executor, f"{A1}.2", follow=True) == b""


async def test_whoever_follows_before_the_start_hears_everything(bare: Room) -> None:
    executor = await bare.enter()
    bare.names.append(A1)
    await executor.accept(script(A1, "echo said"))
    following = asyncio.ensure_future(collect(executor, A1, follow=True))
    waiting = asyncio.ensure_future(executor.wait(A1))
    await asyncio.sleep(0.05)
    await executor.start(A1)
    assert await following == b"said\n"
    assert (await waiting).over


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("no right to mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_told_and_holds_neither_the_command_nor_its_end_back(
    small_disk: Path,
) -> None:
    room = Room(folder=small_disk / "room", groups=None)
    executor = await room.enter()
    status = await room.run(executor, script(A1, "head -c 3000000 /dev/urandom; exit 3"))
    assert status.end is not None
    assert (status.end.exit_code, status.end.length) == (3, 3_000_000)
    lost = status.end.lost
    assert lost is not None
    assert f"output lost from byte {lost} on" in status.end.message
    chunks = [chunk async for chunk in executor.output(A1)]
    assert sum(len(chunk.data) for chunk in chunks) == lost
    assert (chunks[-1].offset, chunks[-1].gap) == (3_000_000, 3_000_000 - lost)
    await room.start(executor, script(f"{A1}.2", "sleep 1000"))
    assert (await executor.stop(f"{A1}.2")).over
    await room.clear()
